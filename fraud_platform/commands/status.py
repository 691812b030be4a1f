"""`predictflow status`: the platform as it stands, in a terminal."""

import http.client
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from fraud_platform.commands import console, dagster_run
from fraud_platform.contracts.monitoring import DayQuality, DayState, Figures
from fraud_platform.lake.store import Lake
from fraud_platform.monitoring.attention import Concern, concerns
from fraud_platform.monitoring.figures import gather
from fraud_platform.monitoring.words import age, counted, figure, moment, money, share, shown, when
from fraud_platform.settings import Settings, load_settings

TIMEOUT_S = 1.0
_COLOURS = {"made": "green", "failed": "red", "missing": "red", "running": "cyan"}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What the service says at its address in the settings; not `ready` and `away` if nothing."""

    address: str
    ready: bool = False
    away: str = ""
    """Why there is no answer."""
    reasons: list[str] = []
    model_version: str | None = None


class _Ready(msgspec.Struct, frozen=True):
    """What is wanted of `/health/ready`; who sends no key is told `ready` alone."""

    ready: bool
    reasons: list[str] = []
    model_version: str | None = None


def run_status(days: int, *, check: bool, as_json: bool) -> None:
    settings = load_settings()
    with dagster_run.instance(settings) as instance:
        figures = gather(settings, Lake(settings.lake_dir), instance)
    figures = msgspec.structs.replace(figures, days=figures.days[-days:])
    service = ask(settings)
    needed = [*_of_service(service), *concerns(figures)]
    if as_json:
        about = {"service": service, "needs": needed}
        console.emit(msgspec.to_builtins(about) | msgspec.to_builtins(figures))
    else:
        _print(figures, service, needed)
    if check and needed:
        sys.exit(1)


def ask(settings: Settings) -> Service:
    """Whether the service answers at its address; one that is away is no fault."""
    host, port = settings.serving.host, settings.serving.port
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        said = msgspec.json.decode(connection.getresponse().read(), type=_Ready)
    except TimeoutError:
        return Service(address=address, away=f"no answer within {TIMEOUT_S:g} s")
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Service(address=address, away=why)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Service(address=address, away="something else answers there")
    finally:
        connection.close()
    return Service(
        address=address,
        ready=said.ready,
        reasons=said.reasons,
        model_version=said.model_version,
    )


def _of_service(service: Service) -> list[Concern]:
    if service.away or (service.ready and not service.reasons):
        return []
    why = "; ".join(service.reasons) or "/health/ready says why to who sends a key"
    what = "decides, and not with all it should have" if service.ready else "can't decide"
    alert = "FraudDegradedHigh" if service.ready else "FraudNoModel"
    mend = "See docs/serving.md, What to do when"
    return [Concern(says=f"The service {what}: {why}", mend=mend, alert=alert)]


def _print(figures: Figures, service: Service, needed: list[Concern]) -> None:
    rows = [(name, console.plain(says)) for name, says in _lines(figures, service)]
    at = moment(figures.at) or datetime.now(UTC)
    console.table(f"PredictFlow, {shown(at)}", ("about", "says"), rows, unfolded=("about",))
    if figures.days:
        head = ("day", "state", "transactions", "quarantined", "run")
        console.table("The last days", head, [_day(one) for one in figures.days])
    if not needed:
        console.console.print("[green]Nothing needs a person.[/]")
        return
    listed = [(console.plain(one.says), console.plain(one.mend), one.alert) for one in needed]
    console.table("What needs a person", ("what", "what to do", "in docs/monitoring.md"), listed)


def _lines(figures: Figures, service: Service) -> Iterator[tuple[str, str]]:
    yield "live model", _model(figures)
    yield "service", _service(service)
    counts = Counter(one.state for one in figures.days)
    said = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    yield "days", f"{said} of the last {len(figures.days)}" if said else "none was made yet"
    for line in _drift(figures):
        yield "drift", line
    yield from _quality(figures)
    yield "gate", _gate(figures)
    yield "parity", _parity(figures)
    yield "failed runs", f"{counted(figures.failed_runs, 'run')} within a day"
    yield "alerts", f"{counted(figures.waiting_alerts, 'alert')} waiting for a target"


def _model(figures: Figures) -> str:
    live = figures.model
    if live is None:
        return "none was deployed"
    since = moment(live.since)
    ago = f" ({age((datetime.now(UTC) - since).total_seconds())})" if since else ""
    return (
        f"{live.model_name} v{live.model_version} of {live.partition}, since {when(live.since)}"
        f"{ago}, by {live.who}: {live.why}"
    )


def _service(service: Service) -> str:
    if service.away:
        return f"does not answer on {service.address} ({service.away}); predictflow serve starts it"
    version = f", v{service.model_version}" if service.model_version else ""
    return f"answers on {service.address}, {'ready' if service.ready else 'not ready'}{version}"


def _drift(figures: Figures) -> Iterator[str]:
    newest = max(figures.drift, key=lambda one: one.day, default=None)
    if newest is None:
        yield "no day was held against a model yet"
    elif newest.unjudged:
        yield f"{newest.day} was not judged: {newest.unjudged}"
    else:
        judged = counted(len(newest.distances), "feature")
        yield f"{newest.day} against v{newest.model_version}: {len(newest.drifted)} of {judged}"
        yield from newest.findings


def _quality(figures: Figures) -> Iterator[tuple[str, str]]:
    for estimate in ("matured", "early"):
        found = [one for one in figures.quality if one.estimate == estimate]
        newest = max(found, key=lambda one: one.decided, default=None)
        yield f"quality, {estimate}", "no day yet" if newest is None else _judged(newest)


def _judged(one: DayQuality) -> str:
    if one.unjudged:
        return f"{one.decided}: {one.unjudged}"
    of = one.overall
    return (
        f"{one.decided}: precision {figure(of.precision)}, recall {figure(of.recall)}, average "
        f"precision {figure(of.average_precision)}, {money(of.money_saved)} saved, "
        f"{money(of.money_lost)} lost ({of.frauds:,} frauds, {of.labelled:,} of "
        f"{of.decisions:,} labelled)"
    )


def _gate(figures: Figures) -> str:
    found = figures.gate
    if found is None:
        return "no model was judged yet"
    word = "let in" if found.passed else "refused"
    why = "" if found.passed else f": {found.refusal}"
    return f"{word} v{found.model_version} of {found.partition} on {when(found.at)}{why}"


def _parity(figures: Figures) -> str:
    newest = max(figures.parity, key=lambda one: one.day, default=None)
    if newest is None:
        return "no served vectors were held against the lake yet"
    if newest.unjudged or not newest.vectors:
        return f"{newest.day}: {newest.unjudged or 'no vectors were served'}"
    alike = share(newest.identical / newest.vectors)
    vectors = counted(newest.vectors, "served vector")
    return (
        f"{newest.day}: {alike} of {vectors} identical, {sum(newest.skewed.values()):,} values "
        f"behind, {sum(newest.differing.values()):,} unexplained"
    )


def _day(one: DayState) -> tuple[object, ...]:
    state = f"[{_COLOURS[one.state]}]{one.state}[/]"
    return one.day, state, one.rows, one.quarantined, console.plain(one.run_id)
