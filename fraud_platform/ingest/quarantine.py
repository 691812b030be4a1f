"""The quarantine: which records were rejected, which of them are still open, and finding them.

A rejected record is a row of landed_events that is never changed. One that was replayed or dropped
has a second row, of kind `resolved`, with the same source_id, partition and offset.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError
from fraud_platform.lake.store import Lake

KEY = ("source_id", "partition", "offset")
SHORT = 8  # characters of a source_id that an id shows
OPEN = pl.col("resolution").is_null()
_ALL = (date.min, date.max)
_LANDED = [*KEY, "landed_at_us"]


@dataclass(frozen=True)
class Choice:
    """Which records: those with these ids, or those of a source, with a reason, or all."""

    ids: tuple[str, ...] = ()
    source: str | None = None
    reason: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        filtered = self.everything or self.source is not None or self.reason is not None
        if not self.ids and not filtered:
            raise PredictFlowError(
                "no records are named: give ids, as `predictflow quarantine list` shows them, or "
                "choose with --reason, --source or --all"
            )
        if self.ids and filtered:
            raise PredictFlowError("give ids, or choose with --reason, --source or --all, not both")

    def of(self, records: pl.DataFrame) -> pl.DataFrame:
        """The open ones of the records that are chosen.

        Raises PredictFlowError for an id that isn't one open record, and where nothing is chosen.
        """
        if self.ids:
            return pl.concat(_open_one(records, id_) for id_ in dict.fromkeys(self.ids)).unique(
                KEY, maintain_order=True
            )
        chosen = filtered(records.filter(OPEN), self.source, self.reason)
        if not chosen.height:
            asked = {"--source": self.source, "--reason": self.reason}
            named = [f"{option} {value!r}" for option, value in asked.items() if value is not None]
            raise PredictFlowError(
                f"no open record of the quarantine is chosen by {' '.join(named) or '--all'}; "
                "`predictflow quarantine list` shows the open ones"
            )
        return chosen


def read_records(lake: Lake) -> pl.DataFrame:
    """Every rejected record, newest first, without its bytes; `resolution` is null of open ones.

    Beside columns of the table there are `id`, and of resolved ones `resolved_at_us` and
    `resolution`: how, and why.
    """
    seen = [*_LANDED, "source", "broker_timestamp_us", "reason"]
    rejected = _numbered(lake.read(LANDED_EVENTS, *_ALL, columns=seen, where=_kind("rejected")))
    resolved = _numbered(
        lake.read(LANDED_EVENTS, *_ALL, columns=[*_LANDED, "reason"], where=_kind("resolved"))
    ).rename({"landed_at_us": "resolved_at_us", "reason": "resolution"})
    # A Kafka log that lost its end gives offsets out again: the n-th resolution of an offset is
    # that of its n-th rejected record, and the next one is open when the one before is resolved.
    turn = pl.col("nth") == pl.col("nth").min().over(*KEY, OPEN)
    return (
        rejected.join(resolved, on=[*KEY, "nth"], how="left")
        .filter(~OPEN | turn)
        .with_columns(
            id=pl.concat_str(pl.col("source_id").str.head(SHORT), *KEY[1:], separator=":")
        )
        .sort("landed_at_us", *KEY, descending=[True, False, False, False])
        .drop("nth")
    )


def read_bytes(lake: Lake, records: pl.DataFrame) -> pl.DataFrame:
    """The records with `raw`, `key` and `corrected`, the bytes that were landed instead.

    Only their part of the table is read, whatever else is in the quarantine.
    """
    rejected = records.select(_LANDED)
    resolved = records.filter(~OPEN).select(*KEY, landed_at_us="resolved_at_us")
    corrected = _bytes(lake, "resolved", resolved, "raw")
    corrected.columns = [*KEY, "resolved_at_us", "corrected"]
    return records.join(
        _bytes(lake, "rejected", rejected, "raw", "key"),
        on=_LANDED,
        how="left",
        maintain_order="left",
    ).join(corrected, on=corrected.columns[:-1], how="left", maintain_order="left")


def _bytes(lake: Lake, kind: str, rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Columns of the rows with these keys and times; others may be among them."""
    names = [*_LANDED, *columns]
    if not rows.height:
        return pl.DataFrame(LANDED_EVENTS.schema.empty_table()).select(names)
    landed_at = ds.field("landed_at_us")
    where = _kind(kind) & (landed_at >= rows["landed_at_us"].min())
    where &= landed_at <= rows["landed_at_us"].max()
    for name in ("source_id", "offset"):
        where &= ds.field(name).isin(rows[name].unique().to_list())
    return lake.read(LANDED_EVENTS, *_ALL, columns=names, where=where)


def filtered(records: pl.DataFrame, source: str | None, reason: str | None) -> pl.DataFrame:
    """The records of a source, and those whose reason has this text in it.

    Case doesn't matter, and … stands for any text, as in the counted reasons.
    """
    if source is not None:
        records = records.filter(pl.col("source") == source)
    if reason is not None:
        parts = ".*".join(pl.escape_regex(part) for part in reason.split("…"))
        records = records.filter(pl.col("reason").str.contains(f"(?is){parts}"))
    return records


def find(records: pl.DataFrame, id_: str) -> pl.DataFrame:
    """The records with an id: one, or several where Kafka gave an offset out again.

    Raises PredictFlowError where there is none, or where the id fits several sources.
    """
    prefix, *place = id_.rsplit(":", 2)
    try:
        partition, offset = map(int, place)
    except ValueError:
        raise PredictFlowError(
            f"{id_!r} is no id of a record: one is SOURCE:PARTITION:OFFSET, like 1a2b3c4d:0:1234; "
            "`predictflow quarantine list` shows them"
        ) from None
    found = records.filter(
        pl.col("source_id").str.starts_with(prefix),
        pl.col("partition") == partition,
        pl.col("offset") == offset,
    )
    sources = found["source_id"].unique().sort().to_list()
    if prefix in sources:
        return found.filter(pl.col("source_id") == prefix)
    if not sources:
        raise PredictFlowError(
            f"the quarantine has no record {id_}; `predictflow quarantine list --all` shows all"
        )
    if len(sources) > 1:
        named = ", ".join(f"{source}:{partition}:{offset}" for source in sources)
        raise PredictFlowError(f"the id {id_} fits several records; say which one: {named}")
    return found


def _open_one(records: pl.DataFrame, id_: str) -> pl.DataFrame:
    found = find(records, id_)
    if not (open_one := found.filter(OPEN)).height:
        raise PredictFlowError(
            f"record {id_} is not open any more: {found['resolution'][0]} "
            f"(`predictflow quarantine show {id_}`)"
        )
    return open_one


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("landed_at_us", maintain_order=True).with_columns(
        nth=pl.int_range(pl.len()).over(KEY)
    )


def _kind(name: str) -> ds.Expression:
    return ds.field("kind") == name
