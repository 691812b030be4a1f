"""`predictflow models list`, `show`, `compare` and `history`: which there are, which is live."""

from typing import Any

import msgspec

from fraud_platform.challenger import Challenger, read_challenger
from fraud_platform.commands import console
from fraud_platform.commands.model_list import listed
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.promotion_log import Entry, entries
from fraud_platform.modelling.verdict import Verdict
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.settings import Settings, load_settings


def run_list(*, as_json: bool) -> None:
    settings, registry = opened()
    found, metric = listed(registry), settings.gate.metric
    if as_json:
        console.emit({"metric": metric, "models": [msgspec.to_builtins(one) for one in found]})
        return
    if not found:
        console.console.print("No model was trained yet; materialise fraud_model.")
        return
    rows = [
        (
            f"v{one.version}",
            one.day or "training not finished",
            one.state,
            f"{one.metrics[metric]:.4f}" if metric in one.metrics else "no report",
            f"{one.trained_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    columns = ("version", "day", "state", metric.replace("_", " "), "trained (UTC)")
    console.table(MODEL_NAME, columns, rows)


def run_show(version: str, *, as_json: bool) -> None:
    settings, registry = opened()
    one = read_version(registry, version)
    training, evaluation = one.training, one.evaluation
    verdict = registry.verdict(one.registered)
    history = [
        entry
        for entry in entries(settings.bundles_dir)
        if one.registered.version in (entry.model_version, entry.from_version)
    ]
    if as_json:
        console.emit(
            {
                "model": msgspec.to_builtins(one.registered),
                "training": msgspec.to_builtins(training),
                "evaluation": msgspec.to_builtins(evaluation),
                "gate": msgspec.to_builtins(verdict),
                "history": [msgspec.to_builtins(entry) for entry in history],
            }
        )
        return
    split = training.split
    facts = {
        "day": training.partition,
        "trained": training.created_at,
        "MLflow run": one.registered.run_id,
        "sha256": one.registered.sha256,
        "fit": f"{split.fit} ({split.fit.days} days)",
        "validation": f"{split.validation} ({split.validation.days} days)",
        "test": f"{split.test} ({split.test.days} days)",
        "features": len(training.features),
        "rounds": training.rounds,
        "threshold": f"{training.threshold.value:.4f}: {training.threshold.reason}",
        **{f"table {name}": f"version {found}" for name, found in training.table_versions.items()},
    }
    console.table(f"{MODEL_NAME} v{one.registered.version}", ("", ""), list(facts.items()))
    rows = [
        (name, round(value, 4), _interval(evaluation.intervals.get(name)))
        for name, value in evaluation.metrics.items()
    ]
    console.table("On its test days", ("metric", "value", "95 %"), rows)
    if verdict is not None:
        _print_verdict(verdict)
    _print_history(history)


def run_compare(first: str, second: str, *, as_json: bool) -> None:
    _, registry = opened()
    a, b = read_version(registry, first), read_version(registry, second)
    names = list(dict.fromkeys([*a.evaluation.metrics, *b.evaluation.metrics]))
    figures = {
        name: (a.evaluation.metrics.get(name), b.evaluation.metrics.get(name)) for name in names
    }
    tests = (str(a.training.split.test), str(b.training.split.test))
    if as_json:
        versions = (a.registered.version, b.registered.version)
        same = tests[0] == tests[1]
        console.emit(
            {"versions": versions, "test_days": tests, "same_test_days": same, "metrics": figures}
        )
        return
    columns = ("metric", f"v{a.registered.version}", f"v{b.registered.version}", "difference")
    rows = [
        (
            name,
            "none" if mine is None else round(mine, 4),
            "none" if theirs is None else round(theirs, 4),
            "" if mine is None or theirs is None else f"{theirs - mine:+,.4f}",
        )
        for name, (mine, theirs) in figures.items()
    ]
    console.table("On the test days of each", columns, rows)
    if tests[0] != tests[1]:
        console.console.print(
            f"The test days differ ({tests[0]} and {tests[1]}), so a difference may be the days'. "
            "What a report says of the champion is on the same rows: models show VERSION."
        )


def run_history(*, as_json: bool) -> None:
    settings, _ = opened()
    found = entries(settings.bundles_dir)
    if as_json:
        console.emit({"history": [msgspec.to_builtins(one) for one in found]})
    elif found:
        _print_history(found)
    else:
        console.console.print("Nothing was promoted yet.")


def opened() -> tuple[Settings, Registry]:
    """Settings and registry, with the alias mended where a crash may have left it behind."""
    settings = load_settings()
    registry = Registry(settings)
    registry.follow()
    return settings, registry


def read_version(registry: Registry, version: str) -> Challenger:
    registered = registry.version(version.removeprefix("v"))
    if not registered.partition:
        raise PredictFlowError(
            f"v{registered.version} was never finished: its training ended while it was registered"
        )
    try:
        return read_challenger(registry, registered)
    except PredictFlowError as error:
        raise PredictFlowError(
            f"v{registered.version} of {registered.partition} has no report: materialise "
            f"evaluation_report of that day ({error})"
        ) from error


def _print_verdict(verdict: Verdict) -> None:
    rows = [
        (one.name, "pass" if one.passed else "FAIL", one.figure, one.limit)
        for one in verdict.conditions
    ]
    beside = f"beside v{verdict.live_version}" if verdict.live_version else "with none live"
    console.table(f"The gate, {verdict.at}, {beside}", ("condition", "", "figure", "limit"), rows)
    if verdict.refusal:
        console.console.print(console.plain(verdict.refusal), soft_wrap=True)


def _print_history(found: list[Entry]) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            entry.number,
            entry.at[:19].replace("T", " "),
            entry.action + (" (forced)" if entry.forced else ""),
            f"v{entry.model_version} of {entry.partition}",
            f"v{entry.from_version}" if entry.from_version else "",
            console.plain(entry.who),
            console.plain(entry.why),
        )
        for entry in found
    ]
    if rows:
        columns = ("number", "at (UTC)", "what", "model", "from", "who", "why")
        console.table("Promotions", columns, rows)


def _interval(found: Any) -> str:
    return "" if found is None else f"{found.low:,.4f} to {found.high:,.4f}"
