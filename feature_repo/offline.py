"""Feast's DuckDB offline store, reading the lake's Delta tables as the platform does.

`feature_store.yaml` names it as `type: feature_repo.offline.LakeOfflineStore`. Feast's own DuckDB
store reads Delta by DuckDB's `delta` extension, which is a download; this one asks the table's log
for its Parquet files and gives those to DuckDB, which reads of them what a query needs.
"""

from pathlib import Path
from typing import Any

import ibis
import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from feast.data_format import DeltaFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import get_historical_features_ibis
from feast.infra.offline_stores.offline_store import RetrievalJob
from ibis.expr import datatypes
from ibis.expr.types import Table
from pydantic import StrictStr

from fraud_platform.errors import PredictFlowError


class LakeOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Feast finds it by its name; there is nothing to set beside what the DuckDB store has."""

    type: StrictStr = "feature_repo.offline.LakeOfflineStore"


class LakeOfflineStore(DuckDBOfflineStore):
    """The DuckDB store; a Delta table's timestamp may be int64 microseconds UTC."""

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: Any,
        feature_refs: Any,
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """The features of the entity rows; raises PredictFlowError for a table without rows."""
        return get_historical_features_ibis(
            config,
            feature_views,
            feature_refs,
            entity_df,
            registry,
            project,
            _read,
            _write_data_source,  # pyright: ignore[reportArgumentType] - as the DuckDB store itself
            full_feature_names,
            filter_by_created_timestamp=filter_by_created_timestamp,
        )


def _read(source: DataSource, repo_path: str) -> Table:
    if not (isinstance(source, FileSource) and isinstance(source.file_format, DeltaFormat)):
        return _read_data_source(source, repo_path)
    rows = ibis.read_parquet(
        _files(source.path),
        hive_partitioning=True,
        # Files from before a column was added lack it.
        union_by_name=True,
    )
    moment = rows[source.timestamp_field]
    if moment.type().is_integer():
        rows = rows.mutate(**{source.timestamp_field: _timestamp(moment)})
    return rows


def _files(path: str) -> list[str]:
    try:
        files = pl.DataFrame(DeltaTable(path).get_add_actions())["path"].to_list()
    except TableNotFoundError:
        files = []
    if not files:
        name = Path(path).name
        raise PredictFlowError(f"table {name} has no rows in {path}; materialize {name} first")
    # Not `file_uris`, which are encoded: DuckDB takes paths as they are.
    return [str(Path(path) / file) for file in files]


@ibis.udf.scalar.builtin(
    name="make_timestamptz",
    signature=((datatypes.int64,), datatypes.Timestamp(timezone="UTC")),
)
def _timestamp(us): ...
