"""`predictflow topics`: the Kafka topics of the settings."""

from dataclasses import asdict

from fraud_platform.commands import console
from fraud_platform.ingest.topics import Wanted, create_topics
from fraud_platform.settings import load_settings


def run_create(
    partitions: int, replication: int | None, retention_days: float, *, as_json: bool
) -> None:
    wanted = Wanted(partitions, replication or -1, retention_days)
    found = create_topics(load_settings().kafka, wanted)
    if as_json:
        console.emit({"topics": [asdict(topic) for topic in found]})
        return
    console.table(
        "Topics",
        ("topic", "", "partitions", "replication", "retention days"),
        [
            (
                topic.name,
                "made" if topic.made else "was there",
                topic.partitions,
                topic.replication,
                round(topic.retention_ms / 86_400_000, 2) if topic.retention_ms >= 0 else "ever",
            )
            for topic in found
        ],
    )
    for topic in found:
        for difference in topic.differs:
            console.console.print(f"{topic.name}: {difference}; left as it is", markup=False)
