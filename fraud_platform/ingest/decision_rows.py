"""Rows of `landed_events` from decision records: their bytes as they are, filed by their day."""

from collections.abc import Sequence

import polars as pl

from fraud_platform.clock import MICROSECONDS, from_us
from fraud_platform.contracts.decisions import Decision, DecisionError, decode_decision
from fraud_platform.contracts.events import MAX_AHEAD_US
from fraud_platform.ingest.batches import Rejected
from fraud_platform.ingest.contract_decoder import Decoded

DECISIONS = "decisions/"
"""What the source_id of decisions from files begins with."""

_EARLIEST_US = 1_577_836_800 * MICROSECONDS  # 2020: no decision is older than this service


class DecisionDecoder:
    """Decodes decision records; `Decoded.accepted` are rows, with the record's place as offset."""

    def decode(self, values: Sequence[bytes | None], now: int) -> Decoded:
        """Takes records that are decisions of a moment up to `now` (microseconds UTC)."""
        good: list[Decision] = []
        indices: list[int] = []
        rejected: list[Rejected] = []
        for index, value in enumerate(values):
            try:
                decision = decode_decision(value or b"")
                _check_moment(decision, now)
            except DecisionError as error:
                rejected.append(Rejected(index, str(error), value or b""))
            else:
                good.append(decision)
                indices.append(index)
        return Decoded(_rows(good, indices, values), rejected)


def _check_moment(decision: Decision, now: int) -> None:
    if not _EARLIEST_US <= decision.decided_us <= now + MAX_AHEAD_US:
        raise DecisionError(
            f"decided_us {decision.decided_us} is not between 2020 and {from_us(now).isoformat()}"
        )


def _rows(
    decisions: Sequence[Decision], indices: Sequence[int], values: Sequence[bytes | None]
) -> pl.DataFrame:
    decided = pl.Series([one.decided_us for one in decisions], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "offset": pl.Series(indices, dtype=pl.Int64),
            "event_date": decided.cast(pl.Datetime("us")).dt.date(),
            "transaction_id": pl.Series([d.transaction_id for d in decisions], dtype=pl.String),
            "timestamp_us": pl.Series([d.timestamp_us for d in decisions], dtype=pl.Int64),
            "raw": pl.Series([values[index] for index in indices], dtype=pl.Binary),
        }
    ).with_columns(kind=pl.lit("prediction"))
