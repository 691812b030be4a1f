# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""The features of past transactions in Feast: a view over the lake's own table, without a copy."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.meanings import OWNER, feature_tags
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.tables import features_table

if TYPE_CHECKING:
    from feast import Entity, FeatureView, Field


def transaction() -> "Entity":
    """The entity `transaction`, joined by transaction_id."""
    from feast import Entity, ValueType

    return Entity(
        name="transaction",
        join_keys=["transaction_id"],
        value_type=ValueType.STRING,
        description="A card payment; its id is unique within its day.",
        owner=OWNER,
    )


def history_view(lake_dir: Path, catalogue: Catalogue = CATALOGUE) -> "FeatureView":
    """The view `transaction_features` of the lake's table of that name.

    An entity row names a transaction and a moment, its own or later: the features are those of the
    moment of payment.
    """
    from feast import FeatureView, Field, FileSource
    from feast.data_format import DeltaFormat
    from feast.types import String

    table = features_table(catalogue)
    return FeatureView(
        name=table.name,
        entities=[transaction()],
        ttl=timedelta(0),
        schema=[Field(name="transaction_id", dtype=String), *feature_fields(catalogue)],
        source=FileSource(
            name=table.name,
            path=str(lake_dir / table.name),
            file_format=DeltaFormat(),
            # An integer in the lake; feature_repo.offline reads it as a timestamp.
            timestamp_field="timestamp_us",
            description="The lake's Delta table, a row for each transaction.",
            owner=OWNER,
        ),
        online=False,
        description="The features of past transactions, each as it was at the moment of payment. "
        "Written by the asset transaction_features.",
        tags={"kept": "offline"},
        owner=OWNER,
    )


def feature_fields(catalogue: Catalogue) -> list["Field"]:
    """The catalogue's features as Feast fields, in the model's order."""
    from feast import Field
    from feast.types import Float64

    return [
        Field(
            name=feature.name,
            dtype=Float64,
            description=feature.meaning,
            tags=feature_tags(feature),
        )
        for feature in catalogue
    ]
