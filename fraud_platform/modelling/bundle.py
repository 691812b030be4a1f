"""The model bundle: what `deployed_model` writes and the service loads, verified by hash.

    bundles/
      champion                     one line: the name of the live bundle's directory
      2026-03-01-4f2a.../
        model.ubj                  XGBoost, UBJ; no pickle anywhere
        manifest.json              everything else, with the sha256 of each other file

A bundle is written beside its final name and renamed into place; `champion` is replaced the same
way, so that a reader sees the old state or the new one and nothing between.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from fraud_platform.errors import PredictFlowError

POINTER = "champion"
MANIFEST = "manifest.json"
MODEL = "model.ubj"


class BundleError(PredictFlowError):
    """A bundle that is missing, incomplete or not what its manifest says."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bundle says of itself.

    `partition` is the day (YYYY-MM-DD) at whose end the model could have been trained; `threshold`
    is a probability; `training_window` first and last day of the rows it was fitted on;
    `table_versions` Delta versions that training read; `reference` histograms of the features.
    """

    model_name: str
    model_version: str
    partition: str
    features: list[str]
    threshold: float
    training_window: tuple[str, str]
    table_versions: dict[str, int]
    metrics: dict[str, float]
    reference: dict[str, Any]
    created_at: str
    run_id: str
    sha256: dict[str, str]


def sha256_of(path: Path) -> str:
    """The hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bundle(root: Path, manifest: Manifest, model: Path) -> Path:
    """Writes a bundle below `root` and returns its directory; an equal one is left as it is.

    The manifest's own `sha256` is filled in here. The directory's name carries the partition and
    the model's hash, so the same model on the same day always has the same name.
    """
    digest = sha256_of(model)
    final = root / f"{manifest.partition}-v{manifest.model_version}-{digest[:12]}"
    if final.is_dir():
        read_bundle(final)
        return final
    root.mkdir(parents=True, exist_ok=True)
    manifest = msgspec.structs.replace(manifest, sha256={MODEL: digest})
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=root))
    try:
        shutil.copyfile(model, staging / MODEL)
        (staging / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        staging.chmod(0o755)
        staging.rename(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return final


def point_champion_at(root: Path, bundle: Path) -> None:
    """Makes `bundle` the live one, in one rename."""
    staging = root / f".{POINTER}-{os.getpid()}"
    staging.write_text(bundle.name + "\n")
    staging.replace(root / POINTER)


def champion_path(root: Path) -> Path | None:
    """The live bundle's directory, or None where nothing was deployed yet."""
    try:
        name = (root / POINTER).read_text().strip()
    except FileNotFoundError:
        return None
    if not name or Path(name).name != name:
        raise BundleError(f"{root / POINTER} names {name!r}, which is not a bundle's directory")
    return root / name


def read_bundle(directory: Path) -> tuple[Manifest, bytes]:
    """The verified manifest and model bytes of a bundle; raises BundleError for anything else."""
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        model = (directory / MODEL).read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {directory} is incomplete: {error}") from error
    except msgspec.MsgspecError as error:
        raise BundleError(f"bundle {directory}: {MANIFEST} is not readable: {error}") from error
    expected = manifest.sha256.get(MODEL)
    found = hashlib.sha256(model).hexdigest()
    if found != expected:
        raise BundleError(
            f"bundle {directory}: {MODEL} has sha256 {found}, the manifest says {expected}; "
            "deploy the model again"
        )
    return manifest, model
