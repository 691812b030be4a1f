# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""All objects of the Feast repository, made from the feature catalogue."""

from pathlib import Path
from typing import Any

from feature_repo.history import history_view, transaction
from feature_repo.meanings import OWNER
from feature_repo.vector import vector_view
from feature_repo.views import entities, feature_views
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import views

SERVICE = "fraud_detector"
"""The model's input online; `fraud_detector_history` is the same of past transactions."""


def feast_objects(
    feast_dir: Path, lake_dir: Path, catalogue: Catalogue = CATALOGUE
) -> dict[str, Any]:
    """Entities, views and services by name."""
    from feast import FeatureService

    online = feature_views(feast_dir, views(catalogue), catalogue)
    vector, history = vector_view(online, catalogue), history_view(lake_dir, catalogue)
    services = [
        FeatureService(
            name=SERVICE,
            features=[vector],
            description="The model's input at the moment of a payment, in the model's order. Ask "
            "with full_feature_names=True.",
            owner=OWNER,
        ),
        FeatureService(
            name=f"{SERVICE}_history",
            features=[history],
            description="The model's input of past transactions, in the model's order.",
            owner=OWNER,
        ),
    ]
    return {
        **entities(views(catalogue)),
        "transaction": transaction(),
        **online,
        **{found.name: found for found in (vector, history, *services)},
    }
