"""What `feast -c feature_repo apply` finds: Feast's command collects a module's global objects.

Nothing else imports this module; the platform goes through `feature_repo.store`.
"""

import os
from pathlib import Path

from feature_repo.views import entities, feature_views

# As in the two feature_store files: a relative directory is taken from this folder.
_FOLDER = Path(__file__).resolve().parent
_FEAST_DIR = (
    _FOLDER / os.environ.get("PREDICTFLOW_DATA_DIR", "../.predictflow") / "feast"
).resolve()

# Feast makes the last folder of a path only.
_FEAST_DIR.mkdir(parents=True, exist_ok=True)

globals().update(entities())
globals().update(feature_views(_FEAST_DIR))
