"""The quarantine's ways out: records are replayed by the contract as it is today, or dropped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from fraud_platform import progress
from fraud_platform.clock import day_of
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest.batches import Rejected
from fraud_platform.ingest.contract_decoder import ContractDecoder
from fraud_platform.ingest.decision_rows import DECISIONS
from fraud_platform.ingest.first_day import note_days
from fraud_platform.ingest.mapping import FieldMap, Kind
from fraud_platform.ingest.ndjson_reader import decode_lines
from fraud_platform.ingest.quarantine import KEY, OPEN, Choice, read_bytes, read_records
from fraud_platform.ingest.quarantine_edit import Corrections
from fraud_platform.ingest.rows import label_rows, landed_rows, now_us, transaction_rows
from fraud_platform.ingest.rules import check
from fraud_platform.lake.appender import SupersededError
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

SOURCE = "quarantine"  # its position in the lake is the number of resolutions
COMMIT_RECORDS = 10_000  # at 64 KiB, what Kafka's records have at most, 640 MiB
ATTEMPTS = 20
_COPIED = ("source", *KEY, "broker_timestamp_us")


@dataclass(frozen=True)
class Outcome:
    """What became of one record: what was landed of it, or why not."""

    id: str
    state: Literal["replayed", "dropped", "failed", "gone"]
    says: str


@dataclass
class _Decision:
    """Of some open records: the rows to land, those to resolve as (row, reason, bytes), and why."""

    landing: list[pl.DataFrame]
    resolutions: list[tuple[int, str, bytes | None]]
    outcomes: list[Outcome]


def drop(lake: Lake, choice: Choice, why: str) -> list[Outcome]:
    """Resolves the chosen records without landing them."""
    if not why.strip():
        raise PredictFlowError("--why is empty; say why the records are dropped")

    def decide(records: pl.DataFrame) -> _Decision:
        reason = f"dropped: {why.strip()}"
        outcomes = [Outcome(id_, "dropped", why.strip()) for id_ in records["id"]]
        return _Decision([], [(row, reason, None) for row in range(records.height)], outcomes)

    return _settle(lake, choice.of(read_records(lake)), decide)


def replay(
    settings: Settings,
    lake: Lake,
    choice: Choice,
    corrections: Corrections,
    *,
    labels: bool = False,
    dry_run: bool = False,
) -> list[Outcome]:
    """Lands the chosen records that hold the contract once they are corrected; the others stay.

    A Kafka record is what its topic holds; of files, `labels` says that they hold labels.
    """
    chosen = choice.of(read_records(lake))
    if corrections.record is not None and chosen.height != 1:
        raise PredictFlowError(f"--record is one record, but {chosen.height:,} are chosen")

    def decide(records: pl.DataFrame) -> _Decision:
        decided = _decide(settings, read_bytes(lake, records), corrections, labels=labels)
        if not dry_run:
            transactions = (part.filter(kind="transaction") for part in decided.landing)
            note_days(settings, {day for part in transactions for day in part["event_date"]})
        return decided

    return _settle(lake, chosen, decide, dry_run=dry_run)


def _settle(
    lake: Lake,
    chosen: pl.DataFrame,
    decide: Callable[[pl.DataFrame], _Decision],
    *,
    dry_run: bool = False,
) -> list[Outcome]:
    """Decides over the chosen records, commit by commit; what became of each."""
    outcomes: list[Outcome] = []
    for part in chosen.sort("landed_at_us", *KEY).iter_slices(COMMIT_RECORDS):
        order = {id_: place for place, id_ in enumerate(part["id"])}
        decided = _commit(lake, part, decide, dry_run=dry_run)
        outcomes += sorted(decided, key=lambda one: order[one.id])
        progress.report("records of the quarantine", len(outcomes), chosen.height)
    return outcomes


def _commit(
    lake: Lake, chosen: pl.DataFrame, decide: Callable[[pl.DataFrame], _Decision], *, dry_run: bool
) -> list[Outcome]:
    appender = lake.appender(LANDED_EVENTS)
    for _ in range(ATTEMPTS):
        # The position comes first: who resolves a record after we looked moves it on.
        at = 0 if dry_run else appender.positions(SOURCE)[SOURCE]
        open_now = read_records(lake).filter(OPEN).select(*KEY, "landed_at_us")
        records = chosen.join(open_now, on=open_now.columns, how="semi", maintain_order="left")
        decided = decide(records)
        gone = chosen.join(records, on=KEY, how="anti")["id"]
        decided.outcomes += [Outcome(id_, "gone", "another resolved it meanwhile") for id_ in gone]
        if dry_run or not decided.resolutions:
            return decided.outcomes
        rows = pl.concat([*decided.landing, _resolved(records, decided.resolutions)])
        try:
            appender.append(rows, {SOURCE: (at, at + len(decided.resolutions))})
        except SupersededError:
            continue
        return decided.outcomes
    raise UnavailableError(
        f"the quarantine was changed by others {ATTEMPTS} times meanwhile; run the command again"
    )


def _decide(
    settings: Settings, records: pl.DataFrame, corrections: Corrections, *, labels: bool
) -> _Decision:
    decided = _Decision([], [], [])
    groups: dict[tuple[str, Kind], list[tuple[int, bytes]]] = {}
    for row, record in enumerate(records.iter_rows(named=True)):
        try:
            raw = _bytes_of(settings, record, corrections)
        except PredictFlowError as error:
            decided.outcomes.append(Outcome(record["id"], "failed", str(error)))
        else:
            groups.setdefault(_group(settings, record, labels=labels), []).append((row, raw))
    how = f"replayed {corrections.words}".strip()
    for (form, kind), found in groups.items():
        index, raws = zip(*found, strict=True)
        accepted, rejected = _decode(form, kind, raws)
        rows = _landing(settings, kind, accepted)
        landed: dict[int, list[str]] = {}
        for at, name, id_, day in rows.select(
            "offset", "kind", "transaction_id", "event_date"
        ).iter_rows():
            landed.setdefault(at, []).append(f"{name} {id_} of {day}")
        for at, parts in landed.items():
            raw = raws[at] if corrections.words else None
            decided.resolutions.append((index[at], how, raw))
            says = " and ".join(parts)
            decided.outcomes.append(Outcome(records["id"][index[at]], "replayed", says))
        for reject in rejected:
            says = f"{reject.reason}{_hint(reject, form, kind)}"
            decided.outcomes.append(Outcome(records["id"][index[reject.offset]], "failed", says))
        place = pl.Series(index, dtype=pl.Int64).gather(rows["offset"])
        decided.landing.append(_placed(rows, records, place))
    return decided


def _bytes_of(settings: Settings, record: dict[str, object], corrections: Corrections) -> bytes:
    raw = record["raw"]
    assert isinstance(raw, bytes)
    if record["source"] == settings.kafka.predictions_topic or str(record["source_id"]).startswith(
        DECISIONS
    ):
        raise PredictFlowError(
            "it is a decision of the service, whose record is never corrected; "
            f'`predictflow quarantine drop {record["id"]} --why "..."` closes it'
        )
    if not raw and record["broker_timestamp_us"] is None:
        raise PredictFlowError(
            "it stands for records that were lost, so there is nothing to replay; "
            f'`predictflow quarantine drop {record["id"]} --why "..."` closes it'
        )
    return corrections.apply(raw)


def _group(settings: Settings, record: dict[str, object], *, labels: bool) -> tuple[str, Kind]:
    """Where a record comes from, as it is decoded by, and what it holds."""
    source = str(record["source"])
    if record["broker_timestamp_us"] is not None:
        return "kafka", "labels" if source == settings.kafka.labels_topic else "transactions"
    form = "parquet" if source.lower().endswith((".parquet", ".pq")) else "file"
    return form, "labels" if labels else "transactions"


def _decode(form: str, kind: Kind, raws: tuple[bytes, ...]) -> tuple[pl.DataFrame, list[Rejected]]:
    now = now_us()
    if form == "kafka":
        # Only a tombstone is empty here.
        decoded = ContractDecoder(kind).decode([raw or None for raw in raws], now)
        return decoded.accepted, decoded.rejected
    fields = FieldMap(kind)
    return check(decode_lines(list(raws), fields, zoned=form != "parquet"), fields, now)


def _landing(settings: Settings, kind: Kind, accepted: pl.DataFrame) -> pl.DataFrame:
    """Rows of landed_events; their offset is still the record's place."""
    by = pl.coalesce("source", pl.lit("file"))  # as Kafka's contract always has a source
    parts = [transaction_rows(accepted)] if kind == "transactions" else []
    parts.append(label_rows(accepted, by, settings.labels.maturity_days))
    return landed_rows(parts, {"landed_at_us": pl.lit(now_us(), pl.Int64)})


def _resolved(
    records: pl.DataFrame, resolutions: list[tuple[int, str, bytes | None]]
) -> pl.DataFrame:
    now = now_us()
    rows = pl.DataFrame(
        resolutions,
        schema={"at": pl.Int64, "reason": pl.String, "raw": pl.Binary},
        orient="row",
    )
    common = {
        "kind": pl.lit("resolved"),
        "event_date": pl.lit(day_of(now)),
        "landed_at_us": pl.lit(now, pl.Int64),
    }
    return _placed(landed_rows([rows.drop("at")], common), records, rows["at"])


def _placed(rows: pl.DataFrame, records: pl.DataFrame, place: pl.Series) -> pl.DataFrame:
    """The rows with what says where the record at each one's place came from."""
    return rows.with_columns(records[name].gather(place).alias(name) for name in _COPIED)


def _hint(reject: Rejected, form: str, kind: Kind) -> str:
    if "missing" in reject.reason:
        hints = ["a field of another name is taken with --rename OLD=NEW"]
        if form != "kafka" and kind == "transactions":
            hints.append("a label of a file with --labels")
        return f" ({', '.join(hints)})"
    if "malformed" in reject.reason or "truncated" in reject.reason:
        return " (give the whole record as JSON with --record)"
    return ""
