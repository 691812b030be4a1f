# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""The Feast entities and feature views, made from the online views of the feature catalogue."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.meanings import OWNER, field_meanings, view_meaning
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import VIEWS, Kind, View

if TYPE_CHECKING:
    from feast import Entity, FeatureView
    from feast.types import FeastType

_ENTITIES = {"user": "Who pays.", "merchant": "Who is paid."}


def entities(views: Sequence[View] = VIEWS) -> dict[str, "Entity"]:
    """The entities by name: `user` and `merchant`, each joined by its string id."""
    from feast import Entity, ValueType

    return {
        view.entity: Entity(
            name=view.entity,
            join_keys=[view.join_key],
            value_type=ValueType.STRING,
            description=_ENTITIES[view.entity],
            owner=OWNER,
        )
        for view in views
    }


def feature_views(
    feast_dir: Path, views: Sequence[View] = VIEWS, catalogue: Catalogue = CATALOGUE
) -> dict[str, "FeatureView"]:
    """The feature views by name, over the snapshots `<feast_dir>/<view>.parquet`.

    The catalogue is where the sentences about their fields come from.
    """
    known, meanings = entities(views), field_meanings(catalogue)
    return {
        view.name: _feature_view(view, known[view.entity], feast_dir, meanings) for view in views
    }


def snapshot_path(feast_dir: Path, view: View) -> Path:
    """The Parquet file with what was last written to a view; its rows carry their as-of time."""
    return feast_dir / f"{view.name}.parquet"


def _feature_view(
    view: View, entity: "Entity", feast_dir: Path, meanings: dict[str, str]
) -> "FeatureView":
    from feast import FeatureView, Field, FileSource
    from feast.types import String

    fields = [
        Field(name=name, dtype=_feast_type(kind), description=meanings.get(name, ""))
        for name, kind in view.fields.items()
    ]
    return FeatureView(
        name=view.name,
        entities=[entity],
        # For ever: a state carries its own as-of time, and windows close by it.
        ttl=timedelta(0),
        schema=[Field(name=view.join_key, dtype=String), *fields],
        source=FileSource(
            name=view.name,
            path=str(snapshot_path(feast_dir, view)),
            timestamp_field="event_timestamp",
            description="What was last written to the view.",
            owner=OWNER,
        ),
        online=True,
        description=view_meaning(view),
        tags={"kept": "online"},
        owner=OWNER,
    )


def _feast_type(kind: Kind) -> "FeastType":
    from feast.types import Array, Float64, Int64

    return {"int64": Int64, "int64_list": Array(Int64), "float64_list": Array(Float64)}[kind]
