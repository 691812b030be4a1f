"""The registered models, each with its state: what `predictflow models list` shows."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from fraud_platform.modelling.bundle import read_bundle
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.promotions import live
from fraud_platform.modelling.shadow import shadow_path
from fraud_platform.registry import GATE_TAG, MODEL_NAME, Registry, registered_of
from fraud_platform.tracking import TEST

State = Literal["live", "shadow", "former", "refused", "candidate"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version; `metrics` are those on its test days, by name, empty without a report.

    `former` is one that was live before, `candidate` one that the gate has not refused.
    """

    version: str
    day: str
    state: State
    metrics: dict[str, float]
    trained_at: datetime


def listed(registry: Registry) -> list[Listed]:
    """All versions, the newest first; nothing is made where MLflow was never used."""
    settings = registry.settings
    if not settings.tracking_db.exists():
        return []
    root = settings.bundles_dir
    shadow = shadow_path(root)
    now = live(root)
    served = {entry.sha256: entry.model_version for entry in entries(root)}
    states: dict[tuple[str, str], State] = {
        (version, digest): "former" for digest, version in served.items()
    }
    if shadow is not None:
        manifest, _ = read_bundle(shadow)
        states[manifest.model_version, manifest.sha256["model.ubj"]] = "shadow"
    if now is not None:
        states[now.model_version, now.sha256] = "live"
    runs: dict[str, Any] = {run.info.run_id: run.data.metrics for run in registry.runs()}
    found = registry.client().search_model_versions(f"name = '{MODEL_NAME}'")
    rows = []
    for one in sorted(found, key=lambda one: -int(one.version)):
        registered = registered_of(one)
        refused = one.tags.get(GATE_TAG) == "refused"
        metrics = runs.get(registered.run_id, {})
        rows.append(
            Listed(
                version=registered.version,
                day=registered.partition,
                state=states.get(
                    (registered.version, registered.sha256), "refused" if refused else "candidate"
                ),
                metrics={
                    name.removeprefix(TEST): value
                    for name, value in metrics.items()
                    if name.startswith(TEST)
                },
                trained_at=datetime.fromtimestamp(one.creation_timestamp / 1000, UTC),
            )
        )
    return rows
