"""The pointer to the bundle in the shadow: as safe as the champion's, and apart from it."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fraud_platform.modelling.bundle import (
    MODEL,
    BundleError,
    champion_path,
    read_bundle,
    write_bundle,
)
from fraud_platform.modelling.promotion_log import LOG
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.modelling.shadow import POINTER, clear_shadow, point_shadow_at, shadow_path
from fraud_platform_tests.modelling.generated import MADE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


@pytest.fixture
def bundle(root: Path, tmp_path: Path) -> Path:
    model = tmp_path / "trained.ubj"
    model.write_bytes(b"the bytes of a model")
    return write_bundle(root, MADE, model)


def test_what_is_put_into_the_shadow_is_there_until_it_is_cleared(root: Path, bundle: Path) -> None:
    assert shadow_path(root) is None
    point_shadow_at(root, bundle)
    assert shadow_path(root) == bundle
    clear_shadow(root)
    assert shadow_path(root) is None
    read_bundle(bundle)
    clear_shadow(root)
    clear_shadow(root / "not there")


def test_shadow_and_champion_are_pointed_at_apart(root: Path, bundle: Path, tmp_path: Path) -> None:
    later = msgspec.structs.replace(MADE, model_version="8")
    other = write_bundle(root, later, tmp_path / "trained.ubj")
    promote(root, bundle, By(who="test", why="deployed"))
    point_shadow_at(root, other)
    assert (champion_path(root), shadow_path(root)) == (bundle, other)
    clear_shadow(root)
    assert champion_path(root) == bundle
    assert sorted(path.name for path in root.iterdir()) == sorted([bundle.name, other.name, LOG])


def test_a_bundle_that_does_not_verify_stays_out_of_the_shadow(root: Path, bundle: Path) -> None:
    (bundle / MODEL).write_bytes(b"half")
    with pytest.raises(BundleError, match="has sha256"):
        point_shadow_at(root, bundle)
    assert shadow_path(root) is None


def test_a_bundle_elsewhere_stays_out_of_the_shadow(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="write it there first"):
        point_shadow_at(tmp_path, bundle)


@pytest.mark.parametrize("content", ["..", "", "../outside", "/etc", "a/b", ".staging-x", "a\0b"])
def test_a_pointer_to_anything_but_a_bundle_below_the_root_is_refused(
    root: Path, content: str
) -> None:
    root.mkdir()
    (root / POINTER).write_text(content)
    with pytest.raises(BundleError, match=r"shadow names .* not a bundle's directory; remove it"):
        shadow_path(root)


WRITER = """
import itertools, sys
from pathlib import Path
from fraud_platform.modelling.shadow import clear_shadow, point_shadow_at
root = Path(sys.argv[1])
first, second = (path for path in root.iterdir() if path.is_dir())
print("ready", flush=True)
for round in itertools.count():
    point_shadow_at(root, (first, second)[round % 2])
    if round % 7 == 6:
        clear_shadow(root)
"""


def test_a_reader_sees_one_bundle_or_the_other_or_none_and_nothing_between(
    root: Path, bundle: Path, tmp_path: Path
) -> None:
    later = msgspec.structs.replace(MADE, model_version="8")
    other = write_bundle(root, later, tmp_path / "trained.ubj")
    command = [sys.executable, "-c", WRITER, str(root)]
    seen = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        try:
            for _ in range(20_000):
                seen.add(shadow_path(root))
                if len(seen) == 3:
                    break
        finally:
            writer.kill()
    assert seen == {bundle, other, None}
