"""`predictflow models promote` and `rollback`: the live model changed by hand."""

import getpass
import os

import msgspec

from fraud_platform.challenger import bundle_of, is_intact, keep_verdict, verdict_on
from fraud_platform.commands import console
from fraud_platform.commands.models import opened, read_version
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.modelling import promotions
from fraud_platform.modelling.promotion_log import Entry
from fraud_platform.modelling.promotions import By
from fraud_platform.modelling.remote_bundles import RemoteBundles
from fraud_platform.modelling.shadow import clear_shadow
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.settings import Settings, load_settings


def run_promote(version: str, why: str, *, force: bool, even_if_older: bool, as_json: bool) -> None:
    settings, registry = opened()
    root = settings.bundles_dir
    number, before = promotions.next_number(root), promotions.live(root)
    one = read_version(registry, version)
    if before is not None and before.sha256 == one.registered.sha256:
        raise PredictFlowError(
            f"the model of v{one.registered.version} is live already, as v{before.model_version}"
        )
    with registry.model_file(one.registered.version) as model:
        if not is_intact(one.registered, model):
            raise PredictFlowError(
                f"the registry's file of v{one.registered.version} is not the one that was "
                f"trained (sha256 {one.registered.sha256}): train the model again"
            )
        with console.bars():
            verdict = verdict_on(settings, one, model, before)
        keep_verdict(registry, one, verdict)
        if not verdict.passed and not (force and verdict.can_serve):
            raise PredictFlowError(
                f"{verdict.refusal}. "
                + (
                    "To promote it all the same, give --force"
                    if verdict.can_serve
                    else "No service would take it, so --force doesn't help"
                )
            )
        bundle = bundle_of(settings, one, model)
    entry = promotions.promote(
        root,
        bundle,
        By(who=_who(settings), why=why),
        gate=verdict.refusal or "passed",
        forced=not verdict.passed,
        even_if_older=even_if_older,
        number=number,
    )
    clear_shadow(root)
    _publish(settings, entry)  # first: it is what services wait for
    _follow(registry, entry)
    _told(entry, as_json=as_json)


def run_rollback(why: str, *, as_json: bool) -> None:
    settings = load_settings()
    root = settings.bundles_dir
    number = promotions.next_number(root)
    entry = promotions.rollback(root, By(who=_who(settings), why=why), number=number)
    _publish(settings, entry)
    _follow(Registry(settings), entry)
    _told(entry, as_json=as_json)


def run_publish(*, as_json: bool) -> None:
    settings = load_settings()
    if not settings.serving.bundles_url:
        raise PredictFlowError(
            "setting serving.bundles_url is not set: services take the live model from "
            f"{settings.bundles_dir}, and there is nowhere to publish it"
        )
    entry = RemoteBundles(settings.serving.bundles_url).publish(settings.bundles_dir)
    if entry is None:
        raise PredictFlowError("there is nothing to publish: no model is live")
    _told(entry, as_json=as_json)


def _publish(settings: Settings, entry: Entry) -> None:
    if not settings.serving.bundles_url:
        return
    try:
        RemoteBundles(settings.serving.bundles_url).publish(settings.bundles_dir)
    except UnavailableError as error:
        raise UnavailableError(
            f"v{entry.model_version} is live here (promotion {entry.number}), but services that "
            f"follow {settings.serving.bundles_url} don't know: {error}. Once S3 is back, run "
            "`predictflow models publish`"
        ) from error


def _follow(registry: Registry, entry: Entry) -> None:
    """The alias after the model: MLflow may be away when one has to go back in a hurry."""
    try:
        registry.follow()
    except Exception as error:
        raise PredictFlowError(
            f"v{entry.model_version} is live (promotion {entry.number}), but MLflow's alias could "
            f"not follow: {error}. `predictflow models list` mends it once MLflow is back"
        ) from error


def _who(settings: Settings) -> str:
    if settings.operator:
        return settings.operator
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _told(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        console.emit(msgspec.to_builtins(entry))
        return
    did = "is live" if entry.action == "promote" else "is live again"
    instead = f" instead of v{entry.from_version}" if entry.from_version else ""
    console.console.print(
        f"{MODEL_NAME} v{entry.model_version} of {entry.partition} {did}{instead} "
        f"(promotion {entry.number}, by {console.plain(entry.who)})"
    )
