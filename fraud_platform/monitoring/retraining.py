"""Whether to ask for a training because the world moved: lasting signs, and restraint.

Signs last once they were found on so many judged days in a row, and until so many were quiet: one
odd day starts nothing, and one quiet day ends nothing. Asking waits for labels of the days since:
a model is fitted on labelled days, and before that it would learn the old ways once more.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

import msgspec

from fraud_platform.settings import Retrain, Training

Reason = Literal["drift", "quality"]

WEEK = timedelta(days=7)
OLD = timedelta(days=3)
"""Signs that were told longer before the newest made day are no ground to act on."""
_NAMED = 5


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a day: names, nothing on a quiet one. `told` is the day of the report.

    `model_sha256` and `model_version` are of the model that it speaks of, None where it speaks of
    the decisions of all. `unjudged` says why nothing could be found, else it is empty.
    """

    day: date
    told: date
    found: list[str] = []
    model_sha256: str | None = None
    model_version: str | None = None
    unjudged: str = ""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The live model, and the last day that it was fitted on."""

    version: str
    sha256: str
    partition: date
    fitted_until: date


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand: the newest day with features, the live model, the days that trainings were
    asked for, and the run that hasn't ended yet, if any."""

    newest: date | None
    live: Live | None
    asked: Sequence[date] = ()
    busy: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A training of `day` for what was found and lasts `since`, in the place of `version`."""

    reason: Reason
    day: date
    since: date
    found: list[str]
    version: str
    config: dict[str, Any]
    """Of fraud_model, in the words of `TrainingConfig`."""

    @property
    def names(self) -> str:
        """What was found, as it reads in a key; past five only their number."""
        more = len(self.found) - _NAMED
        return "+".join([*self.found[:_NAMED], *([f"{more}-more"] if more > 0 else [])])

    @property
    def run_key(self) -> str:
        """Says why, and is the same for the same reason of the same day."""
        return f"{self.reason}:{self.day}:{self.names}:v{self.version}"

    @property
    def tags(self) -> dict[str, str]:
        return {
            "predictflow/reason": self.reason,
            "predictflow/drifted" if self.reason == "drift" else "predictflow/low": self.names,
            "predictflow/day": str(self.day),
            "predictflow/since": str(self.since),
            "predictflow/instead_of": f"v{self.version}",
        }


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for, if anything, and why so, in words. `held`: wanted, but asked too often."""

    told: str
    request: Request | None = None
    held: bool = False


class _Refusal(Exception):  # noqa: N818 - why nothing is asked for, told and not raised on
    def __init__(self, told: str, *, held: bool = False) -> None:
        super().__init__(told)
        self.decision = Decision(told=told, held=held)


def sizes(retrain: Retrain, training: Training) -> dict[str, Any]:
    """The window of a training that is asked for, in the words of `TrainingConfig`.

    It differs from the daily one in what makes that one slow to learn. It is short. Its last days
    judge it, and all before them are fitted on: validation is drawn from the same days, so that the
    newest labels go into the trees instead of only counting them.
    """
    window = min(retrain.window_days, training.window_days)
    test = min(retrain.test_days, max(1, window // 2))
    validation = min(training.validation_days, (window - test) // 3)
    return {
        "window_days": window,
        "gap_days": 0,
        "validation_days": validation,
        "test_days": test,
        "split": "random" if validation else "time",
    }


def decide(
    reason: Reason,
    signs: Sequence[Sign],
    now: Now,
    retrain: Retrain,
    training: Training,
    maturity_days: int,
) -> Decision:
    """Whether to ask for a training of the newest day.

    `signs` are of days in any order. Those that the live model was fitted on are left out: it knows
    them, so a model that learnt the new ways starts afresh. Those of models before it count, as
    it doesn't know these days any more than they did, but the newest must be its own.
    """
    try:
        return _decide(reason, signs, now, retrain, training, maturity_days)
    except _Refusal as why:
        return why.decision


def _decide(
    reason: Reason,
    signs: Sequence[Sign],
    now: Now,
    retrain: Retrain,
    training: Training,
    maturity_days: int,
) -> Decision:
    if now.live is None:
        raise _Refusal("no model is live yet, so there is none to train anew")
    if now.newest is None:
        raise _Refusal("no day has features yet")
    if now.busy:
        raise _Refusal(f"run {now.busy} hasn't ended yet")
    newest, live = now.newest, now.live
    last, since = _lasting(reason, signs, newest, live, retrain)
    what = f"{_said(last.found)} {'drifted' if reason == 'drift' else 'below the floor'}"
    lasting = f"{what} since {since}"
    if live.partition > newest:
        raise _Refusal(f"{lasting}, and the live v{live.version} is of a later day than {newest}")
    config = sizes(retrain, training)
    ready = since + timedelta(days=retrain.new_days - 1 + maturity_days + config["test_days"])
    if retrain.new_days and newest < ready:
        raise _Refusal(
            f"{lasting}: by the end of {ready} the labels are known of {_days(retrain.new_days)} "
            f"of it to fit on and of {_days(config['test_days'])} to judge by"
        )
    _hold_back(lasting, newest, now.asked, retrain)
    request = Request(
        reason=reason,
        day=newest,
        since=since,
        found=last.found,
        version=live.version,
        config=config,
    )
    return Decision(told=f"{lasting}: a training of {newest} is asked for", request=request)


def _lasting(
    reason: Reason, signs: Sequence[Sign], newest: date, live: Live, retrain: Retrain
) -> tuple[Sign, date]:
    """The newest sign, and the first day of what it is the last of; refuses where nothing lasts."""
    after = [one for one in signs if live.fitted_until < one.day and one.told <= newest]
    judged = sorted((one for one in after if not one.unjudged), key=lambda one: one.day)
    called = f"the live v{live.version}"
    if not judged:
        newest_of = max(after, key=lambda one: one.day, default=None)
        why = newest_of.unjudged if newest_of else "there is no report of one"
        raise _Refusal(
            f"no day after {live.fitted_until}, the last that {called} was fitted on, was judged: "
            f"{why}"
        )
    last = judged[-1]
    least, needed = 1, retrain.low_days
    if reason == "drift":
        least, needed = retrain.min_drifted, retrain.drift_days
    if len(last.found) < least:
        found = f"only {_said(last.found)} drifted" if last.found else "nothing was found"
        raise _Refusal(f"{found} on {last.day}, the last day that was judged")
    if last.told < live.partition or newest - last.told > OLD:
        raise _Refusal(
            f"the newest report is of {last.told}; {called} is of {live.partition}, and days up to "
            f"{newest} are made"
        )
    if last.model_sha256 not in (None, live.sha256):
        raise _Refusal(
            f"the report of {last.told} speaks of v{last.model_version}, and v{live.version} is "
            "live by now: the next will say how it does"
        )
    days, lasts = _episode([(one.day, len(one.found) >= least) for one in judged], needed, retrain)
    if not lasts:
        name = "drift_days" if reason == "drift" else "low_days"
        raise _Refusal(
            f"{_said(last.found)} found on {last.day}, which makes {_days(len(days))} in a row of "
            f"retrain.{name} = {needed}"
        )
    return last, days[0]


def _episode(
    days: Sequence[tuple[date, bool]], needed: int, retrain: Retrain
) -> tuple[list[date], bool]:
    """The days with findings that belong together up to the last day, and whether they last."""
    found: list[date] = []
    lasts, quiet = False, 0
    for day, has in days:
        quiet = 0 if has else quiet + 1
        if has:
            found.append(day)
            lasts = lasts or len(found) >= needed
        elif not lasts or quiet >= retrain.quiet_days:
            found, lasts = [], False
    return found, lasts


def _hold_back(lasting: str, newest: date, asked: Sequence[date], retrain: Retrain) -> None:
    if not asked:
        return
    last = max(asked)
    if newest - last < timedelta(days=retrain.cooldown_days):
        raise _Refusal(
            f"{lasting}: a training of {last} was asked for, and the next is not before "
            f"{last + timedelta(days=retrain.cooldown_days)} (retrain.cooldown_days)"
        )
    within = sorted(day for day in set(asked) if day > newest - WEEK)
    if len(within) >= retrain.max_per_week:
        raise _Refusal(
            f"{lasting}: {_said([str(day) for day in within])} were trained anew within a week, "
            f"which is as many as retrain.max_per_week = {retrain.max_per_week} lets",
            held=True,
        )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _said(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join([*names[:_NAMED], *([f"{more} more"] if more > 0 else [])])
