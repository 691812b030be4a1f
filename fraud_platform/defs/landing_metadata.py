"""What a landing did, as metadata of its materialisation."""

from collections import Counter

import dagster as dg

from fraud_platform.ingest.decision_landing import LandedDecisions
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.landing import Landed

REASONS = 20


def landing_metadata(
    landed: list[Landed],
    kafka: Ingested | None = None,
    decisions: LandedDecisions | None = None,
) -> dict[str, dg.MetadataValue]:
    """Counts over all files of a landing and, where it read Kafka, its records and positions.

    `decisions` are those of the service's files, where the landing looked at them.
    """
    sources = [*landed, *([kafka] if kafka else [])]
    counts = {
        "files": len(landed),
        "already_landed": sum(one.skipped for one in landed),
        "transactions": sum(one.transactions for one in sources),
        "labels_landed": sum(one.labels for one in sources),
        "rejected": sum(one.rejected for one in sources),
    }
    if decisions:
        counts["decisions_landed"] = decisions.decisions + (kafka.predictions if kafka else 0)
        counts["rejected"] += decisions.rejected
        counts["torn_decisions"] = decisions.torn
    reasons = sum((one.reasons for one in sources), Counter[str]())
    found: dict[str, dg.MetadataValue] = {
        "reasons": dg.MetadataValue.json(dict(reasons.most_common(REASONS)))
    }
    if kafka:
        counts |= {
            "duplicates": kafka.duplicates,
            "late": kafka.late,
            "too_late": kafka.too_late,
            "lag": sum(kafka.lag.values()),
        }
        found["new_fields"] = dg.MetadataValue.json(kafka.new_fields)
        found["partitions"] = _partitions(kafka)
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()} | found


def _partitions(kafka: Ingested) -> dg.MetadataValue:
    kinds = {"partition": "string", "next_offset": "int", "lag": "int"}
    records = [
        dg.TableRecord({"partition": name, "next_offset": at, "lag": kafka.lag.get(name, 0)})
        for name, at in sorted(kafka.positions.items())
    ]
    columns = [dg.TableColumn(name, kind) for name, kind in kinds.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))
