"""What makes the Dagster UI read as documentation: columns, row counts, owners."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from fraud_platform.contracts.tables import COLUMN_DOCS, PREDICTION_DOCS, PREDICTION_LOG, Table
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import Feature
from fraud_platform.provenance import mlflow_link
from fraud_platform.settings import Settings

# Of a day: the landed rows that it was made of, duplicates included; more of them mean it is late.
LANDED_ROWS = "landed_rows"

DATA_TEAM = ["team:fraud-backend"]
ML_TEAM = ["team:fraud-ml"]


def _doc(feature: Feature) -> str:
    always = feature.missing == "never missing"
    missing = feature.missing if always else f"missing: {feature.missing}"
    return f"{feature.meaning.rstrip('.')} ({feature.unit}; {missing})."


_DOCS = {**COLUMN_DOCS, **{feature.name: _doc(feature) for feature in CATALOGUE}}


def columns(table: Table) -> dict[str, Any]:
    """The table's column schema as Dagster metadata."""
    docs = _DOCS | (PREDICTION_DOCS if table is PREDICTION_LOG else {})
    described = [
        dg.TableColumn(
            field.name,
            str(field.type),
            description=docs.get(field.name),
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in table.schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=described)}


def mlflow_run(settings: Settings, run_id: str) -> dict[str, Any]:
    """MLflow's run by its id and, where its pages' address is known, as a link."""
    link = mlflow_link(settings, run_id)
    found = {"mlflow_run_id": run_id}
    return found | ({"mlflow_run": dg.MetadataValue.url(link)} if link else {})


def describe_days(
    context: dg.AssetExecutionContext, rows: Mapping[date, Mapping[str, Any]]
) -> None:
    """Attaches each day's metadata to that day's materialisation."""
    for day, metadata in rows.items():
        context.add_asset_metadata(dict(metadata), partition_key=day.isoformat())
