"""`table_maintenance`: the lake's tables kept in few files, and rid of what nobody needs."""

from dataclasses import asdict, replace
from datetime import timedelta

import dagster as dg

from fraud_platform import progress
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    PREDICTION_LOG,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
)
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import retry
from fraud_platform.defs.resources import Platform
from fraud_platform.features.tables import TABLES as FEATURE_TABLES
from fraud_platform.lake.maintenance import MIB, Maintained, Rules, maintain
from fraud_platform.modelling.bundle import manifests
from fraud_platform.registry import Registry
from fraud_platform.settings import Settings

TABLES = (LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS, PREDICTION_LOG, *FEATURE_TABLES)
# A fresh reader of landed_events goes through up to so many commits, some 0.2 s. A checkpoint every
# 100, as elsewhere, would be 864 a day that each name all the files of a day.
LANDED_CHECKPOINTS = 500


@dg.asset(
    retry_policy=retry,
    group_name="ingestion",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake"},
)
def table_maintenance(platform: Platform) -> dg.MaterializeResult:
    """Compacts small files, makes checkpoints and removes files that nobody refers to any more.

    Versions that a training run or a model bundle recorded are kept. Readers and writers aren't
    disturbed.
    """
    settings, done = platform.settings, {}
    with checks.explained():
        recorded = recorded_versions(settings)
        for number, table in enumerate(TABLES):
            progress.report("table maintenance", number, len(TABLES))
            kept = recorded.get(table.name, set())
            found = maintain(platform.lake, table, _rules(settings, table.name), kept)
            if found:
                done[table.name] = found
    return dg.MaterializeResult(
        metadata={
            "tables": _table(done),
            "files_removed": sum(one.removed_files for one in done.values()),
            "versions_kept": dg.MetadataValue.json(
                {name: one.versions_kept for name, one in done.items()}
            ),
            "versions_lost": dg.MetadataValue.json(
                {name: one.lost for name, one in done.items() if one.lost}
            ),
        }
    )


def recorded_versions(settings: Settings) -> dict[str, set[int]]:
    """The table versions, by table, that a training run or a bundle says it is made of."""
    found = Registry(settings).recorded_versions()
    for manifest in manifests(settings.bundles_dir):
        for table, version in manifest.table_versions.items():
            found.setdefault(table, set()).add(version)
    return found


def _rules(settings: Settings, table: str) -> Rules:
    ours = settings.maintenance
    landed = table == LANDED_EVENTS.name
    days, hours = timedelta(days=ours.retention_days), timedelta(hours=ours.landed_retention_hours)
    rules = Rules(ours.small_files, ours.target_mib * MIB, hours if landed else days)
    return replace(rules, checkpoint_interval=LANDED_CHECKPOINTS) if landed else rules


def _table(done: dict[str, Maintained]) -> dg.MetadataValue:
    records = [
        dg.TableRecord(
            {"table": name}
            | {key: n for key, n in asdict(one).items() if isinstance(n, int)}
            | {"versions_kept": len(one.versions_kept)}
        )
        for name, one in done.items()
    ]
    names = list(records[0].data) if records else ["table"]
    columns = [dg.TableColumn(name, "string" if name == "table" else "int") for name in names]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))
