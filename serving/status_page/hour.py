"""The service itself: its model, and the last hour by the minute."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from fraud_platform.monitoring.words import NOTHING, age, counted, milliseconds, share, shown, when
from serving.metrics import LATENCY_S
from serving.minutes import Counted, quantile, together
from serving.status_page.charts import Frame, Line, bars, lines
from serving.status_page.html import Html, el
from serving.status_page.parts import charts, note, section, tile
from serving.status_page.view import View

LATE_S = 0.1
"""What a decision may take by the platform's promise, in seconds."""


def tiles(view: View) -> Html:
    """The figures that are seen first."""
    hour = together(view.minutes)
    decisions = hour.decisions if hour else 0
    minutes = [one for one in view.minutes if one is not None]
    newest = minutes[-1].decisions if minutes else 0
    p99 = _quantile(hour, 0.99)
    degraded = hour.degraded / hour.decisions if hour and hour.decisions else None
    return el(
        "dl",
        _model(view),
        tile("Decisions a minute", f"{newest:,}", f"{decisions:,} in the last hour"),
        tile(
            "Latency, 99 % below",
            milliseconds(p99),
            f"half below {milliseconds(_quantile(hour, 0.5))}" if p99 else "in the last hour",
            kind="bad" if p99 and p99 > LATE_S else None,
        ),
        tile(
            "Degraded",
            NOTHING if degraded is None else share(degraded),
            f"{hour.degraded:,} of {decisions:,}" if hour else "no decisions yet",
        ),
        _age(view),
        class_="tiles",
    )


def _model(view: View) -> Html:
    live = view.figures.model if view.figures else None
    served = view.ready.model_version
    since = live.since if live else view.promoted_at
    version = served if isinstance(served, str) else live.model_version if live else None
    if version is None:
        return tile("Live model", "none", "nothing was deployed", kind="bad")
    partition = view.ready.partition if isinstance(view.ready.partition, str) else ""
    day = partition or (live.partition if live else "")
    who = f"by {live.who}: {live.why}" if live else ""
    return tile(
        "Live model", f"v{version}", f"of {day}", f"since {when(since)}" if since else "", who
    )


def _age(view: View) -> Html:
    if view.made is None:
        return tile("Platform's figures", "none", kind="bad")
    seconds = (view.now - view.made).total_seconds()
    kind = "bad" if view.banner else None
    return tile("Platform's figures", f"{age(seconds)} old", f"of {shown(view.made)}", kind=kind)


def hour(view: View) -> Html:
    """Decisions, latency and degraded share of the last hour."""
    if all(one is None for one in view.minutes):
        return section(
            "hour", "The last hour", note("The service has been running for less than a minute.")
        )
    parts = charts([_decisions(view), _latency(view), _degraded(view)])
    running = sum(one is not None for one in view.minutes)
    gap = (
        [note(f"The service ran in {counted(running, 'minute')} of it.")]
        if running < len(view.minutes)
        else []
    )
    return section("hour", "The last hour", parts, *gap)


def _frame(view: View, name: str, says: str, told: str, top: str) -> Frame:
    begin = view.now - timedelta(minutes=len(view.minutes))
    left, right = begin.strftime("%H:%M"), view.now.strftime("%H:%M UTC")
    return Frame(name, says, told, top, "0", left, right)


def _each(view: View, of: Callable[[Counted], float | None]) -> list[float | None]:
    return [None if one is None else of(one) for one in view.minutes]


def _most(values: Sequence[float | None]) -> float:
    return max((one for one in values if one is not None), default=0.0)


def _decisions(view: View) -> Html:
    values = _each(view, lambda one: float(one.decisions))
    alarms = sum(one.alarms for one in view.minutes if one)
    most = max(1.0, _most(values))
    says = f"at most {most:,.0f}, {alarms:,} alarms in all" if _most(values) else "none"
    told = f"Decisions in each minute of the last hour: {says}."
    return bars(_frame(view, "Decisions a minute", says, told, f"{most:,.0f}"), values, most)


def _latency(view: View) -> Html:
    half, most = (
        _each(view, lambda one, q=q: quantile(one.latencies, LATENCY_S, q)) for q in (0.5, 0.99)
    )
    top = max(0.001, _most(most))
    says = f"99 % below {milliseconds(_most(most))} in its worst minute" if _most(most) else "none"
    told = f"Latency of each minute of the last hour, below which half and 99 % were: {says}."
    frame = _frame(view, "Latency: half and 99 % below", says, told, milliseconds(top))
    return lines(frame, [Line(most, "second"), Line(half, "first")], top)


def _degraded(view: View) -> Html:
    values = _each(view, lambda one: one.degraded / one.decisions if one.decisions else None)
    top = max(0.05, _most(values))
    says = f"at most {share(_most(values))}"
    told = f"Share of decisions without the online state in each minute of the last hour: {says}."
    frame = _frame(view, "Degraded share", says, told, share(top))
    return bars(frame, [None] * len(values), top, marked=values)


def _quantile(hour: Counted | None, q: float) -> float | None:
    return quantile(hour.latencies, LATENCY_S, q) if hour else None
