import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import (
    MANIFEST,
    MODEL,
    POINTER,
    BundleError,
    champion_path,
    point_champion_at,
    read_bundle,
    write_bundle,
)
from fraud_platform.modelling.predict import load_booster
from fraud_platform_tests.modelling.generated import MADE


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "trained.ubj"
    path.write_bytes(b"the bytes of a model")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_a_written_bundle_reads_back_and_nothing_else_is_left(root: Path, model: Path) -> None:
    bundle = write_bundle(root, MADE, model)
    manifest, raw = read_bundle(bundle)
    assert raw == model.read_bytes()
    assert msgspec.structs.replace(manifest, sha256={}) == MADE
    assert set(manifest.sha256) == {MODEL, MANIFEST}
    assert visible(root) == [bundle.name]
    assert bundle.name.startswith("2026-03-31-v7-")
    assert visible(bundle) == [MANIFEST, MODEL]


def test_a_trained_model_goes_through_the_bundle_unchanged(
    root: Path, model: Path, booster: xgb.Booster
) -> None:
    model.write_bytes(booster.save_raw("ubj"))
    _, raw = read_bundle(write_bundle(root, MADE, model))
    assert load_booster(raw, FEATURE_NAMES).save_raw("ubj") == booster.save_raw("ubj")


def test_writing_the_same_again_leaves_the_first(root: Path, model: Path) -> None:
    first = write_bundle(root, MADE, model)
    before = (first / MANIFEST).read_bytes()
    later = msgspec.structs.replace(MADE, created_at="2026-04-01T03:00:00Z", run_id="r2")
    assert write_bundle(root, later, model) == first
    assert (first / MANIFEST).read_bytes() == before
    assert visible(root) == [first.name]


def test_another_threshold_for_the_same_model_and_version_is_refused(
    root: Path, model: Path
) -> None:
    write_bundle(root, MADE, model)
    with pytest.raises(BundleError, match="same model and another threshold"):
        write_bundle(root, msgspec.structs.replace(MADE, threshold=0.5), model)


def test_a_damaged_bundle_is_replaced_when_it_is_written_again(root: Path, model: Path) -> None:
    bundle = write_bundle(root, MADE, model)
    (bundle / MODEL).write_bytes(b"half")
    assert write_bundle(root, MADE, model) == bundle
    assert read_bundle(bundle)[1] == model.read_bytes()
    assert visible(root) == [bundle.name]


def test_a_manifest_that_json_cannot_hold_is_refused_and_leaves_nothing(
    root: Path, model: Path
) -> None:
    nan = msgspec.structs.replace(MADE, metrics={"average_precision": float("nan")})
    with pytest.raises(BundleError, match=r"manifest of model 7: .*metrics"):
        write_bundle(root, nan, model)
    assert not root.exists()


@pytest.mark.parametrize("version", ["../../escaped", "7/8", "7 8", "7\n"])
def test_a_version_that_is_no_directory_name_is_refused(
    root: Path, model: Path, version: str
) -> None:
    with pytest.raises(BundleError, match="can't name a bundle"):
        write_bundle(root, msgspec.structs.replace(MADE, model_version=version), model)


def test_a_failed_write_leaves_no_trace(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(root, MADE, model)
    assert visible(root) == []


@pytest.mark.parametrize("change", [b"", b"other bytes", b"the bytes of a modeL"])
def test_corrupted_model_bytes_are_refused_with_both_hashes(
    root: Path, model: Path, change: bytes
) -> None:
    bundle = write_bundle(root, MADE, model)
    (bundle / MODEL).write_bytes(change)
    with pytest.raises(BundleError, match=r"model\.ubj has sha256 \w{64}, .* says \w{64}; deploy"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", [MANIFEST, MODEL])
def test_a_missing_file_is_named(root: Path, model: Path, name: str) -> None:
    bundle = write_bundle(root, MADE, model)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"incomplete: .*{name}"):
        read_bundle(bundle)


def test_a_missing_bundle_is_refused(root: Path) -> None:
    with pytest.raises(BundleError, match="is incomplete"):
        read_bundle(root / "2026-03-31-v7-000000000000")


def test_an_edited_threshold_is_refused(root: Path, model: Path) -> None:
    bundle = write_bundle(root, MADE, model)
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text.replace("0.468", "0.168"))
    with pytest.raises(BundleError, match=r"manifest\.json has sha256"):
        read_bundle(bundle)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff\xfe", b'"\xff"', b"[" * 100_000])
def test_a_manifest_that_is_not_readable_is_refused(
    root: Path, model: Path, content: bytes
) -> None:
    bundle = write_bundle(root, MADE, model)
    (bundle / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json is not readable"):
        read_bundle(bundle)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_in_the_manifest_is_refused_or_changes_nothing(
    root: Path, model: Path, data: st.DataObject
) -> None:
    bundle = write_bundle(root, MADE, model)
    expected, _ = read_bundle(bundle)
    written = bytearray((bundle / MANIFEST).read_bytes())
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= 1 << data.draw(st.integers(0, 7))
    (bundle / MANIFEST).write_bytes(written)
    try:
        found, _ = read_bundle(bundle)
    except BundleError:
        return
    assert found == expected


def test_the_champion_is_the_bundle_pointed_at_last(root: Path, model: Path) -> None:
    root.mkdir()
    assert champion_path(root) is None
    first = write_bundle(root, MADE, model)
    second = write_bundle(root, msgspec.structs.replace(MADE, model_version="8"), model)
    for bundle in (first, second, first):
        point_champion_at(root, bundle)
        assert champion_path(root) == bundle
    assert visible(root) == sorted([first.name, second.name, POINTER])


def test_a_bundle_that_does_not_verify_never_becomes_champion(root: Path, model: Path) -> None:
    first = write_bundle(root, MADE, model)
    second = write_bundle(root, msgspec.structs.replace(MADE, model_version="8"), model)
    point_champion_at(root, first)
    (second / MODEL).write_bytes(b"half")
    with pytest.raises(BundleError, match="deploy the model again"):
        point_champion_at(root, second)
    assert champion_path(root) == first


def test_a_bundle_elsewhere_never_becomes_champion(root: Path, model: Path, tmp_path: Path) -> None:
    outside = write_bundle(tmp_path / "elsewhere", MADE, model)
    root.mkdir()
    with pytest.raises(BundleError, match="write it there first"):
        point_champion_at(root, outside)
    assert champion_path(root) is None


@pytest.mark.parametrize(
    "content", ["..", ".", "", "../outside", "/etc", "a/b", ".staging-x", "a\0b", "a\nb", "\udcff"]
)
def test_a_pointer_to_anything_but_a_bundle_below_the_root_is_refused(
    root: Path, content: str
) -> None:
    root.mkdir()
    (root / POINTER).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BundleError, match="not a bundle's directory"):
        champion_path(root)


WRITER = """
import os, signal, sys
from pathlib import Path
import msgspec
from fraud_platform.modelling.bundle import Manifest, point_champion_at, write_bundle

step, root, model, manifest = sys.argv[1:]

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, step, die)
made = msgspec.json.decode(manifest, type=Manifest)
bundle = write_bundle(Path(root), made, Path(model))
"""


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_writer_killed_before_the_rename_leaves_the_champion_and_a_retry_succeeds(
    root: Path, model: Path, step: str
) -> None:
    first = write_bundle(root, MADE, model)
    point_champion_at(root, first)
    following = msgspec.structs.replace(MADE, model_version="8")
    encoded = msgspec.json.encode(following).decode()
    killed = subprocess.run(
        [sys.executable, "-c", WRITER, step, str(root), str(model), encoded], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    left = [name for name in visible(root) if name not in {first.name, POINTER}]
    assert len(left) == 1
    assert left[0].startswith(".staging-")
    assert champion_path(root) == first
    read_bundle(first)
    second = write_bundle(root, following, model)
    point_champion_at(root, second)
    assert champion_path(root) == second


def test_the_module_stays_light_for_the_service() -> None:
    heavy = "xgboost|sklearn|scipy|matplotlib|polars|pandas|dagster|mlflow"
    code = (
        "import sys, fraud_platform.modelling.bundle\n"
        f"print([m for m in sys.modules if m in {heavy.split('|')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
