"""Promotion and rollback: which of the written bundles is live, with the fences around it.

The log of `promotion_log` is what counts; MLflow's alias follows it (`Registry.follow`). Whoever
changes it says which number the change is to have, so that what was judged by an older state of
things is refused, whatever happened in between.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from fraud_platform.modelling import promotion_log
from fraud_platform.modelling.bundle import MODEL, Manifest, champion_path, verified
from fraud_platform.modelling.promotion_log import Entry, PromotionRefused, append, entries


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes the live model, why, and in which of Dagster's runs, if in any."""

    who: str
    why: str
    run_id: str = ""


def live(root: Path) -> Entry | None:
    """The entry of the live model; None where there is none.

    The number 0 stands for the pointer of a former version, where nothing was promoted since.
    """
    found = promotion_log.last(root)
    if found is not None:
        return found
    path = champion_path(root)
    if path is None:
        return None
    manifest = verified(root, path)
    before = By(who="a former version", why="deployed before there was a log of promotions")
    return _entry(0, "promote", path, manifest, None, before)


def next_number(root: Path) -> int:
    """The number that the next entry will have."""
    found = promotion_log.last(root)
    return 1 if found is None else found.number + 1


def promote(
    root: Path,
    bundle: Path,
    by: By,
    *,
    gate: str = "",
    forced: bool = False,
    even_if_older: bool = False,
    number: int | None = None,
    confirm: Callable[[], None] = lambda: None,
) -> Entry:
    """Makes `bundle`, a directory right below `root`, the live one; returns its entry.

    What is live already stays so, with the entry it has. `number` is the one that the entry must
    get, `confirm` is called last of all and may raise. Raises PromotionRefused where a model of a
    later day is live (unless `even_if_older`), or where another changed the live model since, and
    BundleError where the bundle doesn't verify.
    """
    manifest = verified(root, bundle)
    before = live(root)
    if before is not None and before.number and before.bundle == bundle.name:
        return before
    if before is not None and before.partition > manifest.partition and not even_if_older:
        raise PromotionRefused(
            f"v{manifest.model_version} of {manifest.partition} was not promoted: "
            f"v{before.model_version} of {before.partition}, a later day, is live; go back by "
            "`predictflow models rollback`, or promote it by hand with --even-if-older"
        )
    expected = next_number(root) if number is None else number
    replaced = None if before is None or before.bundle == bundle.name else before
    entry = _entry(expected, "promote", bundle, manifest, replaced, by)
    entry = msgspec.structs.replace(entry, gate=gate, forced=forced)
    return _commit(root, entry, before, confirm)


def rollback(root: Path, by: By, *, number: int | None = None) -> Entry:
    """Makes live what was live before the live model was promoted; again goes one further back.

    Raises PromotionRefused where there is nothing before, or where another changed the live model
    since, and BundleError where the bundle to go back to doesn't verify.
    """
    before, standing = live(root), _standing(entries(root))
    if before is None:
        raise PromotionRefused("there is nothing to roll back: no model is live")
    if len(standing) < 2:
        raise PromotionRefused(
            f"there is nothing to go back to: v{before.model_version} of {before.partition} is the "
            "first model that went live; `predictflow models list` shows what else can be promoted"
        )
    bundle = root / standing[-2]
    manifest = verified(root, bundle)
    expected = next_number(root) if number is None else number
    entry = _entry(expected, "rollback", bundle, manifest, before, by)
    return _commit(root, entry, before, lambda: None)


def rolled_back(root: Path, sha256: str) -> Entry | None:
    """The rollback that took a model out of service, unless it was promoted again since."""
    found = None
    for before, entry in pairwise([None, *entries(root)]):
        if entry is None:
            continue
        if entry.action == "rollback" and before is not None and before.sha256 == sha256:
            found = entry
        elif entry.action == "promote" and entry.sha256 == sha256:
            found = None
    return found


def formerly_live(root: Path) -> list[Path]:
    """The bundles that rollbacks would uncover, the next one first."""
    return [root / name for name in reversed(_standing(entries(root))[:-1])]


def _standing(found: list[Entry]) -> list[str]:
    """The bundles that rollbacks would uncover one by one; the last is live."""
    if not found:
        return []
    standing = [found[0].from_bundle] if found[0].from_bundle else []
    for entry in found:
        if entry.action == "promote":
            standing.append(entry.bundle)
        else:
            standing.pop()
    return standing


def _entry(
    number: int, action: str, bundle: Path, manifest: Manifest, before: Entry | None, by: By
) -> Entry:
    return Entry(
        number=number,
        action="rollback" if action == "rollback" else "promote",
        bundle=bundle.name,
        model_version=manifest.model_version,
        partition=manifest.partition,
        sha256=manifest.sha256[MODEL],
        from_bundle=before.bundle if before else None,
        from_version=before.model_version if before else None,
        who=by.who,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        why=by.why,
        run_id=by.run_id,
    )


def _commit(root: Path, entry: Entry, before: Entry | None, confirm: Callable[[], None]) -> Entry:
    """Appends the entry, if it follows on what it was made from."""
    confirm()
    follows = entry.number == (before.number if before else 0) + 1
    if follows and append(root, entry):
        return entry
    winner = promotion_log.last(root)
    if winner is not None and (winner.action, winner.bundle) == (entry.action, entry.bundle):
        return winner
    doing = "promoted" if entry.action == "promote" else "rolled back to"
    did = "nobody" if winner is None else f"{winner.who} at {winner.at} ({winner.why})"
    now = "no model" if winner is None else f"v{winner.model_version} of {winner.partition}"
    raise PromotionRefused(
        f"v{entry.model_version} was not {doing}: {now} went live meanwhile, by {did}; look at "
        "`predictflow models history` and ask again if it is still wanted"
    )
