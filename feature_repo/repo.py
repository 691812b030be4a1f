"""What `feast -c feature_repo apply` finds: Feast's command collects a module's global objects.

Nothing else imports this module; the platform goes through `feature_repo.store`.
"""

import os
from pathlib import Path

from feature_repo.objects import feast_objects

# As in the two feature_store files: a relative directory is taken from this folder.
_FOLDER = Path(__file__).resolve().parent
_DATA_DIR = (_FOLDER / os.environ.get("PREDICTFLOW_DATA_DIR", "../.predictflow")).resolve()

# Feast makes the last folder of a path only.
(_DATA_DIR / "feast").mkdir(parents=True, exist_ok=True)

globals().update(feast_objects(_DATA_DIR / "feast", _DATA_DIR / "lake"))
