"""`predictflow decisions`: what the service decided, shown and computed again."""

import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

from fraud_platform.clock import day_of, from_us
from fraud_platform.commands import console
from fraud_platform.commands.decision_search import find_decisions, last_decisions
from fraud_platform.contracts.decisions import Decision, document
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.bundle import BundleError
from fraud_platform.modelling.replay import Compared, model_of, replay
from fraud_platform.settings import load_settings


def run_list(day: date | None, limit: int, *, as_json: bool) -> None:
    chosen, found = last_decisions(day, limit)
    if as_json:
        console.emit({"day": chosen, "decisions": [document(one) for one in found]})
        return
    if not found:
        console.console.print(f"No decisions are logged{f' of {chosen}' if chosen else ''}.")
        return
    console.table(
        f"Decisions of {chosen}",
        ("decided (UTC)", "transaction", "verdict", "probability", "model", "decision"),
        [
            (
                from_us(one.decided_us).strftime("%H:%M:%S.%f")[:-3],
                console.plain(one.transaction_id),
                _verdict(one),
                f"{one.fraud_probability:.4f}",
                f"v{one.model_version}",
                one.decision_id,
            )
            for one in found
        ],
        unfolded=("decision",),
    )


def run_show(id_: str, day: date | None, *, as_json: bool) -> None:
    found = find_decisions(id_, day)
    if as_json:
        console.emit({"decisions": [document(one) for one in found]})
        return
    for one in found:
        said = document(one)
        features, reasons = said.pop("features"), said.pop("reasons")
        said |= {"decided": from_us(one.decided_us).isoformat()}
        rows = [(name, _shown(value)) for name, value in said.items()]
        console.table(f"Decision {one.decision_id}", ("field", "value"), rows)
        names = _feature_names(one)
        values = [(name, _shown(v)) for name, v in zip(names, features, strict=False)]
        console.table("Features", ("feature", "value"), values)
        for reason in reasons or []:
            text = f"  {reason['contribution']:+.4f}  {reason['text']}"
            console.console.print(console.plain(text), soft_wrap=True)


def run_replay(id_: str, day: date | None, *, with_features: bool, as_json: bool) -> None:
    settings = load_settings()
    key = settings.serving.pass_key.reveal().encode()
    made = [(one, replay(settings.bundles_dir, one, key)) for one in find_decisions(id_, day)]
    offline = [_offline(one) if with_features else None for one, _ in made]
    same = all(_same(parts) for _, parts in made)
    if as_json:
        console.emit(
            {
                "same": same,
                "decisions": [
                    _document(one, parts, there)
                    for (one, parts), there in zip(made, offline, strict=True)
                ],
            }
        )
    else:
        for (one, parts), there in zip(made, offline, strict=True):
            _print(one, parts, there)
    if not same:
        sys.exit(1)


def _offline(decision: Decision) -> list[Compared] | str:
    """The vector held against the lake's features of the transaction, or why it can't be."""
    from fraud_platform.commands.whereabouts import find_features  # noqa: PLC0415 - Arrow
    from fraud_platform.features.catalogue import CATALOGUE  # noqa: PLC0415 - likewise
    from fraud_platform.lake.store import Lake  # noqa: PLC0415 - likewise

    settings, day = load_settings(), day_of(decision.timestamp_us)
    try:
        row = find_features(Lake(settings.lake_dir), CATALOGUE, decision.transaction_id, day)
    except PredictFlowError as error:
        return str(error)
    return [
        Compared(name=name, logged=value, recomputed=row.get(name))
        for name, value in zip(_feature_names(decision), decision.features, strict=True)
    ]


def _feature_names(decision: Decision) -> list[str]:
    """The features' names in the vector's order: as its model has them, else by their place."""
    try:
        return model_of(load_settings().bundles_dir, decision)[0].features
    except BundleError:
        return [f"feature {place}" for place in range(len(decision.features))]


def _document(
    decision: Decision, parts: Sequence[Compared], offline: list[Compared] | str | None
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "decision_id": decision.decision_id,
        "transaction_id": decision.transaction_id,
        "model_version": decision.model_version,
        "model_sha256": decision.model_sha256,
        "same": _same(parts),
        "parts": [_part(part) for part in parts],
    }
    if isinstance(offline, str):
        said["features"] = {"compared": False, "why": offline}
    elif offline is not None:
        said["features"] = {
            "compared": True,
            "same": all(one.same for one in offline),
            "parts": [_part(one) for one in offline],
        }
    return said


def _part(part: Compared) -> dict[str, Any]:
    return {
        "name": part.name,
        "logged": part.logged,
        "recomputed": part.recomputed,
        "same": part.same,
    } | ({"unknown": part.unknown} if part.unknown else {})


def _print(
    decision: Decision, parts: Sequence[Compared], offline: list[Compared] | str | None
) -> None:
    title = f"Decision {decision.decision_id} of {console.plain(decision.transaction_id)}"
    rows = [(part.name, *_sides(part)) for part in parts]
    console.table(title, ("part", "logged", "computed again", "same"), rows)
    says = "the same, bit for bit" if _same(parts) else "NOT the same"
    console.console.print(f"Model v{decision.model_version}: {says}")
    for why in {part.unknown: None for part in parts if part.unknown}:
        names = " and ".join(part.name for part in parts if part.unknown == why)
        console.console.print(f"Not computed again: {names}, as {why}", soft_wrap=True)
    if isinstance(offline, str):
        console.console.print(console.plain(f"Features not compared: {offline}"), soft_wrap=True)
    elif offline is not None:
        differing = [one for one in offline if not one.same]
        console.console.print(
            f"Features: {len(offline) - len(differing)} of {len(offline)} are the lake's"
        )
        if differing:
            rows = [(one.name, *_sides(one)) for one in differing]
            console.table("Features", ("feature", "logged", "in the lake", "same"), rows)


def _same(parts: Sequence[Compared]) -> bool:
    """Whether all that can be computed again is the same."""
    return all(part.same is not False for part in parts)


def _sides(part: Compared) -> tuple[str, str, str]:
    if part.unknown:
        return _shown(part.logged), "not known", "not known"
    return _shown(part.logged), _shown(part.recomputed), "yes" if part.same else "NO"


def _shown(value: object) -> str:
    return console.plain("missing" if value is None else str(value))


def _verdict(decision: Decision) -> str:
    verdict = "fraud" if decision.is_fraud else "legitimate"
    if decision.is_fraud and decision.action == "allow":
        verdict += ", let pass"
    return f"{verdict}, degraded" if decision.degraded else verdict
