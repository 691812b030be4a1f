"""How far the stream of payments was read into users' recent events, as the store keeps it.

Beside the views' markers stand `stream`, the number of the topic's partitions, and for each of them
`stream:N`, the moment (microseconds UTC) up to which whoever reads it has written all of it. A
worker that is gone, or that Kafka doesn't answer, lets its moments grow old.
"""

from collections.abc import Mapping

PARTITIONS = "stream"


def markers_of(partitions: int, until_us: Mapping[int, int]) -> dict[str, str]:
    """The markers that say up to when some of a topic's `partitions` were read."""
    said = {f"{PARTITIONS}:{number}": str(us) for number, us in until_us.items()}
    return {PARTITIONS: str(partitions), **said}


def read_until_us(markers: Mapping[str, str]) -> int | None:
    """Up to when all partitions were read, in microseconds UTC; None where one never was.

    Raises ValueError for markers that are no numbers.
    """
    count = int(markers.get(PARTITIONS, "0"))
    said = [markers.get(f"{PARTITIONS}:{number}") for number in range(count)]
    moments = [int(us) for us in said if us is not None]
    return min(moments) if count and len(moments) == count else None
