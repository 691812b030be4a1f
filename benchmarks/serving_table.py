"""The lines and the summary of the serving benchmark."""

import math
from typing import TYPE_CHECKING, Any

from benchmarks.open_load import Load

if TYPE_CHECKING:
    from benchmarks.serving import Measured

TEXTS = {
    "ours": "predictflow serve",
    "fastapi": "FastAPI + MLflow + Feast",
    "mlflow": "mlflow models serve",
    "feast": "feast serve + scorer",
}


def show(one: "Measured") -> str:
    """A service's lines."""
    name = f"{TEXTS[one.name]}, {one.workers} worker{'s' * (one.workers > 1)}"
    if one.saturated is None:
        return f"{name}: not measured: {one.missing}"
    said = "" if math.isnan(one.difference) else f", answers differ by {one.difference:.1e}"
    lines = [
        f"{name}: ready in {one.ready_s:.1f} s, at most {one.peak_mib} MiB a process{said}",
        line(f"saturated, {one.cpu_ms:.2f} ms CPU each", one.saturated),
        *(line(f"{rate} a second", load) for rate, load in one.at.items()),
    ]
    return "\n".join(lines)


def line(what: str, load: Load) -> str:
    """One run: answers, milliseconds, what went wrong."""
    errors = ", ".join(f"{count} {what}" for what, count in load.errors.items()) or "none"
    share = load.degraded / max(1, load.answered)
    return (
        f"  {what:32} {load.a_second:7,.0f}/s  p50 {_ms(load.p50)}  p99 {_ms(load.p99)}  "
        f"p99.9 {_ms(load.p999)} ms  errors {errors}  degraded {share:.2%}"
    )


def summed_up(measured: list["Measured"], disturbed: dict[str, Load]) -> dict[str, Any]:
    """All figures by name, and what is ours in terms of each rival's best."""
    best = {
        name: max((_throughput(one) for one in measured if one.name == name), default=0.0)
        for name in TEXTS
    }
    found: dict[str, Any] = {
        f"throughput_{one.name}_{one.workers}": _throughput(one)
        for one in measured
        if one.saturated
    }
    for name in ("fastapi", "mlflow", "feast"):
        if best["ours"] and best[name]:
            found[f"times_{name}"] = round(best["ours"] / best[name], 1)
    for one in measured:
        if one.saturated is None:
            continue
        key = f"{one.name}_{one.workers}"
        found[f"rss_mib_{key}"] = one.peak_mib
        found[f"cpu_ms_{key}"] = round(one.cpu_ms, 3)
        found[f"ready_s_{key}"] = round(one.ready_s, 2)
        found[f"at_{key}"] = {str(rate): _figures(load) for rate, load in one.at.items()}
        if not math.isnan(one.difference):
            found[f"difference_{key}"] = one.difference
    ours = [one for one in measured if one.name == "ours" and one.saturated]
    for rate, load in (ours[-1].at if ours else {}).items():
        for share in ("p50", "p99", "p999"):
            found[f"{share}_at_{rate}"] = getattr(load, share)
    found["rss_mib"] = max((one.peak_mib for one in ours), default=None)
    found["disturbed"] = {name: _figures(load) for name, load in disturbed.items()}
    found["missing"] = {f"{one.name}_{one.workers}": one.missing for one in measured if one.missing}
    return found


def _figures(load: Load) -> dict[str, Any]:
    kept = ("asked", "answered", "errors", "degraded", "p50", "p99", "p999", "slowest")
    return {name: getattr(load, name) for name in kept}


def _throughput(one: "Measured") -> float:
    return one.saturated.a_second if one.saturated else 0.0


def _ms(value: float | None) -> str:
    return "   none" if value is None else f"{value:7.1f}"
