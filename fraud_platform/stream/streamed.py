"""What a stream worker did, for people, logs and Prometheus."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Streamed:
    """Counts of this process, and where each of its partitions stands.

    `events` were added to a user's recent ones; `duplicates` were there already or are more than
    72 h older than the user's newest; `skipped` are records that the contract refuses, by reason.
    `rereads` counts how often it went back in the topic: after the store was written anew, or was
    away. `lag` is by partition, in records.
    """

    events: int = 0
    duplicates: int = 0
    batches: int = 0
    rebalances: int = 0
    rereads: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lag: dict[int, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Everything by name, as JSON takes it."""
        return {**vars(self), "skipped": dict(self.skipped), "faults": dict(self.faults)}
