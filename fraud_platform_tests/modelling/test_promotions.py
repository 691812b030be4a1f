"""Promotion and rollback: one log, one winner, and the fences around both."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.bundle import (
    MODEL,
    POINTER,
    BundleError,
    champion_path,
    point_at,
    write_bundle,
)
from fraud_platform.modelling.promotion_log import LOG, Entry, PromotionRefused, entries, last
from fraud_platform.modelling.promotions import (
    By,
    live,
    next_number,
    promote,
    rollback,
    rolled_back,
)
from fraud_platform_tests.modelling.generated import MADE

ANN = By(who="ann", why="it is better", run_id="r-1")
BOB = By(who="bob", why="it lets frauds through")
Bundles = Callable[..., Path]


def bundle(root: Path, version: int, partition: str = "2026-03-31") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    model = root / ".trained"
    model.write_bytes(f"model {version}".encode())
    made = msgspec.structs.replace(MADE, model_version=str(version), partition=partition)
    return write_bundle(root, made, model)


def told(root: Path) -> list[tuple[str, str, str | None]]:
    """What the log says: action, version that went live, version before."""
    return [(one.action, one.model_version, one.from_version) for one in entries(root)]


def test_an_entry_says_who_when_why_from_and_to(tmp_path: Path) -> None:
    one, two = bundle(tmp_path, 1), bundle(tmp_path, 2)
    promote(tmp_path, one, ANN, gate="passed")
    promote(tmp_path, two, BOB, gate="refused", forced=True)
    first, second = entries(tmp_path)
    assert champion_path(tmp_path) == two
    assert (first.from_bundle, first.from_version) == (None, None)
    assert (first.who, first.why, first.run_id, first.gate) == (
        *msgspec.structs.astuple(ANN),
        "passed",
    )
    assert (second.number, second.action, second.bundle) == (2, "promote", two.name)
    assert (second.from_bundle, second.from_version) == (one.name, "1")
    assert (second.who, second.gate, second.forced) == ("bob", "refused", True)
    assert second.at.endswith("+00:00")


def test_the_same_promotion_twice_is_one_entry(tmp_path: Path) -> None:
    one = bundle(tmp_path, 1)
    assert promote(tmp_path, one, ANN) == promote(tmp_path, one, BOB)
    assert told(tmp_path) == [("promote", "1", None)]


def test_an_older_day_needs_to_be_asked_for(tmp_path: Path) -> None:
    older, newer = bundle(tmp_path, 1, "2026-03-30"), bundle(tmp_path, 2, "2026-03-31")
    promote(tmp_path, newer, ANN)
    with pytest.raises(PromotionRefused, match=r"v1 of 2026-03-30 .* v2 of 2026-03-31, a later"):
        promote(tmp_path, older, ANN)
    assert champion_path(tmp_path) == newer
    promote(tmp_path, older, ANN, even_if_older=True)
    assert champion_path(tmp_path) == older


def test_a_rollback_goes_one_back_and_the_next_one_further(tmp_path: Path) -> None:
    one, two, three = (bundle(tmp_path, n) for n in (1, 2, 3))
    for made in (one, two, three):
        promote(tmp_path, made, ANN)
    assert rollback(tmp_path, BOB).bundle == two.name
    assert rollback(tmp_path, BOB).bundle == one.name
    with pytest.raises(PromotionRefused, match="v1 of 2026-03-31 is the first model"):
        rollback(tmp_path, BOB)
    promote(tmp_path, three, ANN)
    assert rollback(tmp_path, BOB).bundle == one.name
    assert told(tmp_path)[3:] == [
        ("rollback", "2", "3"),
        ("rollback", "1", "2"),
        ("promote", "3", "1"),
        ("rollback", "1", "3"),
    ]


def test_without_a_live_model_there_is_nothing_to_roll_back(tmp_path: Path) -> None:
    with pytest.raises(PromotionRefused, match="no model is live"):
        rollback(tmp_path, BOB)


def test_a_rollback_to_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    one, two = bundle(tmp_path, 1), bundle(tmp_path, 2)
    promote(tmp_path, one, ANN)
    promote(tmp_path, two, ANN)
    (one / MODEL).write_bytes(b"other bytes")
    with pytest.raises(BundleError, match="has sha256"):
        rollback(tmp_path, BOB)
    assert champion_path(tmp_path) == two


def test_a_damaged_live_bundle_can_be_replaced_and_rolled_back(tmp_path: Path) -> None:
    one, two, three = (bundle(tmp_path, n) for n in (1, 2, 3))
    promote(tmp_path, one, ANN)
    promote(tmp_path, two, ANN)
    (two / MODEL).unlink()
    assert rollback(tmp_path, BOB).bundle == one.name
    promote(tmp_path, three, ANN)
    assert champion_path(tmp_path) == three


def test_a_bundle_that_does_not_verify_or_lies_elsewhere_is_never_promoted(
    tmp_path: Path,
) -> None:
    root = tmp_path / "bundles"
    one, broken = bundle(root, 1), bundle(root, 2)
    outside = bundle(tmp_path / "elsewhere", 3)
    promote(root, one, ANN)
    (broken / MODEL).write_bytes(b"half")
    with pytest.raises(BundleError, match="deploy the model again"):
        promote(root, broken, ANN)
    with pytest.raises(BundleError, match="write it there first"):
        promote(root, outside, ANN)
    assert champion_path(root) == one


def test_what_was_judged_by_an_older_state_is_refused_and_names_the_winner(tmp_path: Path) -> None:
    one, two, three = (bundle(tmp_path, n) for n in (1, 2, 3))
    promote(tmp_path, one, ANN)
    number = next_number(tmp_path)
    promote(tmp_path, two, BOB, number=number)
    with pytest.raises(
        PromotionRefused, match=r"v3 was not promoted: v2 .* meanwhile, by bob .*it lets frauds"
    ):
        promote(tmp_path, three, ANN, number=number)
    with pytest.raises(PromotionRefused, match="v1 was not rolled back to: v2"):
        rollback(tmp_path, ANN, number=number)
    assert told(tmp_path) == [("promote", "1", None), ("promote", "2", "1")]


def test_what_is_asked_last_of_all_can_still_refuse(tmp_path: Path) -> None:
    one = bundle(tmp_path, 1)

    def given_up() -> None:
        raise PromotionRefused("the run was given up")

    with pytest.raises(PromotionRefused, match="given up"):
        promote(tmp_path, one, ANN, confirm=given_up)
    assert live(tmp_path) is None


def test_the_pointer_of_a_former_version_is_taken_over(tmp_path: Path) -> None:
    old, new = bundle(tmp_path, 1, "2026-03-30"), bundle(tmp_path, 2)
    point_at(tmp_path, POINTER, old)
    before = live(tmp_path)
    assert before is not None
    assert (before.number, before.model_version, before.bundle) == (0, "1", old.name)
    promote(tmp_path, new, ANN)
    assert champion_path(tmp_path) == new
    assert told(tmp_path) == [("promote", "2", "1")]
    assert rollback(tmp_path, BOB).bundle == old.name
    assert champion_path(tmp_path) == old


def test_the_pointer_of_a_former_version_keeps_older_days_out(tmp_path: Path) -> None:
    old, new = bundle(tmp_path, 1, "2026-03-30"), bundle(tmp_path, 2)
    point_at(tmp_path, POINTER, new)
    with pytest.raises(PromotionRefused, match="a later day"):
        promote(tmp_path, old, ANN)


def test_a_model_stays_rolled_back_until_it_is_promoted_again(tmp_path: Path) -> None:
    one, two = bundle(tmp_path, 1), bundle(tmp_path, 2)
    promote(tmp_path, one, ANN)
    digest = promote(tmp_path, two, ANN).sha256
    assert rolled_back(tmp_path, digest) is None
    assert rollback(tmp_path, BOB) == rolled_back(tmp_path, digest)
    promote(tmp_path, two, ANN)
    assert rolled_back(tmp_path, digest) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff", b'{"number": 1}'])
def test_a_damaged_entry_is_named_with_the_mend(tmp_path: Path, content: bytes) -> None:
    promote(tmp_path, bundle(tmp_path, 1), ANN)
    (tmp_path / LOG / "00000002.json").write_bytes(content)
    with pytest.raises(PredictFlowError, match=r"00000002\.json is not readable: .*take it away"):
        champion_path(tmp_path)


def test_an_entry_under_another_number_is_refused(tmp_path: Path) -> None:
    promote(tmp_path, bundle(tmp_path, 1), ANN)
    (tmp_path / LOG / "00000001.json").rename(tmp_path / LOG / "00000002.json")
    with pytest.raises(PromotionRefused, match="says that it is number 1"):
        last(tmp_path)


@given(st.lists(st.one_of(st.integers(1, 4), st.just("rollback")), max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_sequence_leaves_the_model_that_a_stack_would(steps: list[int | str]) -> None:
    with TemporaryDirectory() as folder:
        root, stack = Path(folder), []
        bundles = {n: bundle(root, n) for n in range(1, 5)}
        for step in steps:
            if isinstance(step, int):
                promote(root, bundles[step], ANN)
                if stack[-1:] != [step]:
                    stack.append(step)
            elif len(stack) > 1:
                rollback(root, BOB)
                stack.pop()
            else:
                with pytest.raises(PromotionRefused):
                    rollback(root, BOB)
        assert champion_path(root) == (bundles[stack[-1]] if stack else None)
        numbers = [one.number for one in entries(root)]
        assert numbers == list(range(1, len(numbers) + 1))


WRITER = """
import os, signal, sys
from pathlib import Path
from fraud_platform.modelling.promotions import By, promote

step, root, bundle = sys.argv[1:]

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

if step == "after link":
    link = os.link
    os.link = lambda *a: (link(*a), die())
else:
    setattr(os, step, die)
promote(Path(root), Path(bundle), By(who="ann", why="better"))
"""


@pytest.mark.parametrize("step", ["fsync", "link", "unlink", "after link"])
def test_a_promoter_killed_at_any_step_leaves_the_old_model_or_the_new_one(
    tmp_path: Path, step: str
) -> None:
    one, two = bundle(tmp_path, 1), bundle(tmp_path, 2)
    promote(tmp_path, one, ANN)
    command = [sys.executable, "-c", WRITER, step, str(tmp_path), str(two)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert champion_path(tmp_path) == (one if step in ("fsync", "link") else two)
    promote(tmp_path, two, ANN)
    assert champion_path(tmp_path) == two
    assert told(tmp_path) == [("promote", "1", None), ("promote", "2", "1")]


def test_an_entry_reads_as_json(tmp_path: Path) -> None:
    promote(tmp_path, bundle(tmp_path, 1), ANN)
    raw = (tmp_path / LOG / "00000001.json").read_bytes()
    assert msgspec.json.decode(raw, type=Entry) == last(tmp_path)
    assert b'\n  "who": "ann"' in raw
