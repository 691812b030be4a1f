"""XGBoost without what its import drags in."""

import sys
from typing import Any, cast


def import_xgboost_alone() -> None:
    """Imports XGBoost without scikit-learn, and so without pandas and pyarrow.

    XGBoost imports scikit-learn where it is installed and does without where it is not; hiding it
    for the moment takes 1.1 s and 115 MB off the start. Only its scikit-learn classes are lost, so
    this is for a process that scores and does nothing else. Does nothing once either is imported.
    """
    if "xgboost" in sys.modules or "sklearn" in sys.modules:
        return
    sys.modules["sklearn"] = cast("Any", None)  # Python's own way to make an import fail
    try:
        import xgboost  # noqa: F401, PLC0415 - now, while scikit-learn is hidden
    finally:
        del sys.modules["sklearn"]
