"""What monitoring says of a day and of the platform, as it is kept in files and shown on pages.

Days are `YYYY-MM-DD` in UTC, money is in currency units, moments are RFC 3339.
"""

from typing import Literal

import msgspec


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How good the decisions of a day were, of one model version or (None) of all together.

    `decisions` were given, `degraded` of them without the online state; `labelled` have a label by
    now that counts, `frauds` of those are frauds and `alarms` of those were called fraud. A figure
    is None where the rows don't make it: no precision without an alarm, no AUC with one class.
    `weighed` says that decisions count by the inverse of their propensity, as some would-be blocks
    were let pass at random; those that were blocked are not among the labelled then. `money_saved`
    is against calling nothing fraud, `money_lost` what the decisions cost all the same.
    """

    model_version: str | None
    decisions: int
    degraded: int = 0
    labelled: int
    frauds: int
    alarms: int
    weighed: bool = False
    precision: float | None = None
    recall: float | None = None
    auc: float | None = None
    average_precision: float | None = None
    calibration_error: float | None = None
    money_saved: float | None = None
    money_lost: float | None = None


class DayQuality(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of the decisions of the day `decided`, `matured` once its labels are final."""

    decided: str
    estimate: Literal["matured", "early"]
    overall: Quality
    by_model: list[Quality] = []
    unjudged: str = ""
    """Why there is nothing to judge; empty where there is."""


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the partition `day` of prediction_quality found: the decided day that matured on it, and
    early estimates of those since, oldest first; `findings` what is below a floor, in words."""

    day: str
    days: list[DayQuality]
    findings: list[str] = []


class LiveParity(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors that were served on a day beside `transaction_features` of the same transactions.

    `identical` of `vectors` have the same bits throughout; `skewed` counts by feature the values
    that differ because the online state was behind, `differing` by feature those that no freshness
    explains. `left_out` counts by reason the decisions that could not be compared.
    """

    day: str
    vectors: int
    identical: int
    skewed: dict[str, int] = {}
    differing: dict[str, int] = {}
    left_out: dict[str, int] = {}
    unjudged: str = ""


class DayState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a day stands: `made` once its features are in the lake, whatever failed before.

    `rows` are its transactions (until it is made, those landed), `quarantined` the records that
    were rejected on it.
    """

    day: str
    state: Literal["made", "failed", "running", "missing"]
    rows: int = 0
    quarantined: int = 0
    run_id: str = ""
    """The run that failed or is under way."""


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the lake: its newest day, that day's rows, all rows; of landed_events, those of
    its transactions."""

    name: str
    newest_day: str | None
    newest_rows: int
    rows: int


class DayDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The drift of a day: `distances` by feature and measure (kl, psi, ks, missing, outside);
    `findings` what drifted, in the words of its report.

    `excess` is by feature how many times its bound the farthest measure is, without those that the
    same weekdays explain: over 1 a feature has drifted, unless it is never judged.
    """

    day: str
    model_version: str | None
    drifted: list[str]
    distances: dict[str, dict[str, float]]
    unjudged: str = ""
    findings: list[str] = []
    excess: dict[str, float] = {}


class LiveModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model that is live: its day, since when and by whom, its test metrics."""

    model_name: str
    model_version: str
    partition: str
    since: str
    who: str
    why: str
    metrics: dict[str, float] = {}


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said last: by condition whether it held, and the refusal in a sentence."""

    partition: str
    model_version: str
    at: str
    passed: bool
    conditions: dict[str, bool]
    refusal: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The platform as of a moment, days oldest first; what isn't there yet is empty or None."""

    at: str
    days: list[DayState] = []
    tables: list[TableState] = []
    drift: list[DayDrift] = []
    quality: list[DayQuality] = []
    parity: list[LiveParity] = []
    model: LiveModel | None = None
    gate: GateResult | None = None
    failed_runs: int = 0
    """Runs that failed within the last 24 hours, after their last try."""
    waiting_alerts: int = 0
    """Alerts kept for targets that are down."""
    below_floor: list[str] = []
    """What the newest report on quality found below a floor, in words."""
    faults: list[str] = []
    """What could not be read, and is left out above; each names the file and what is wrong."""
