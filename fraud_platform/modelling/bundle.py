"""The model bundle: what `deployed_model` writes and the service loads, verified by hash.

    bundles/
      promotions/                  whose last entry names the live bundle (promotion_log.py)
      shadow                       one line: the bundle that is scored beside it (shadow.py)
      2026-03-01-v7-4f2a.../
        model.ubj                  XGBoost, UBJ; no pickle anywhere
        manifest.json              everything else, with the sha256 of both files

A bundle is written beside its final name, flushed to the disk and renamed into place, so that a
reader sees all of it or nothing, also after a power cut. What a killed writer leaves behind starts
with a dot, and nobody looks at it.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling import promotion_log
from fraud_platform.modelling.calibration import Calibration

POINTER = "champion"
"""A file with the name of the live bundle, which former versions wrote; read where nothing has been
promoted since."""
MANIFEST = "manifest.json"
MODEL = "model.ubj"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BundleError(PredictFlowError):
    """A bundle that is missing, incomplete or not what its manifest says."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bundle says of itself.

    `partition` is the day (YYYY-MM-DD) at whose end the model could have been trained; `threshold`
    is a probability, as `calibration` makes it of the model's margins; `training_window` first and
    last day of the rows it was fitted on; `table_versions` Delta versions that training read;
    `reference` histograms of the features; `sha256` of the model's bytes, and of this manifest
    without its own entry there.
    """

    model_name: str
    model_version: str
    partition: str
    features: list[str]
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)]
    calibration: Calibration | None = None
    training_window: tuple[str, str]
    table_versions: dict[str, int]
    metrics: dict[str, float]
    reference: dict[str, Any]
    created_at: str
    run_id: str
    sha256: dict[str, str]


def write_bundle(root: Path, manifest: Manifest, model: Path) -> Path:
    """Writes a bundle below `root` and returns its directory; an equal one is left as it is.

    The manifest's own `sha256` is filled in here. The directory's name carries the partition, the
    version and the model's hash, so the same model of the same day always has the same name; a
    damaged bundle of that name is replaced. Raises BundleError where one is there that says
    something else of the same model, or for a manifest that could not be read back.
    """
    raw = model.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    manifest = _sealed(manifest, digest)
    name = f"{manifest.partition}-v{manifest.model_version}-{digest[:12]}"
    if not _NAME.fullmatch(name):
        raise BundleError(f"{name!r} can't name a bundle: use letters, digits and . _ -")
    written = msgspec.json.format(msgspec.json.encode(manifest))
    return take_in(root, name, {MODEL: raw, MANIFEST: written}, digest)


def take_in(root: Path, name: str, files: Mapping[str, bytes], sha256: str) -> Path:
    """Writes the two files of a bundle below `root` as `name`, and returns its directory.

    Raises BundleError, and leaves nothing behind, where they are not what their manifest says, or
    the model's hash is not `sha256`; else as `write_bundle`.
    """
    final = root / name
    root.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=root))
    try:
        staging.chmod(0o755)
        for file in (MODEL, MANIFEST):
            write_durably(staging / file, files[file])
        sync_directory(staging)
        manifest, _ = read_bundle(staging)
        if manifest.sha256[MODEL] != sha256:
            raise BundleError(f"bundle {name} has the model {manifest.sha256[MODEL]}, not {sha256}")
        _put_in_place(staging, final, manifest)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    sync_directory(root)
    return final


def champion_path(root: Path) -> Path | None:
    """The live bundle's directory, or None where nothing was deployed yet.

    Raises PredictFlowError where the last promotion can't be read, or names anything but a
    directory right below `root`.
    """
    entry = promotion_log.last(root)
    if entry is None:
        return pointed_at(root, POINTER)
    return below(root, entry.bundle, f"promotion {entry.number}")


def point_at(root: Path, pointer: str, bundle: Path) -> None:
    """Makes the file `pointer` in `root` name `bundle`, a directory below `root`, in one rename.

    Raises BundleError where it isn't a whole bundle below `root`, and leaves the pointer alone.
    """
    verified(root, bundle)
    handle, name = tempfile.mkstemp(prefix=f".{pointer}-", dir=root)
    os.close(handle)
    staging = Path(name)
    try:
        staging.chmod(0o644)
        write_durably(staging, f"{bundle.name}\n".encode())
        staging.replace(root / pointer)
    finally:
        staging.unlink(missing_ok=True)
    sync_directory(root)


def pointed_at(root: Path, pointer: str) -> Path | None:
    """The bundle's directory that the file `pointer` in `root` names; None where it isn't there.

    Raises BundleError for a pointer that names anything but a directory right below `root`.
    """
    try:
        name = (root / pointer).read_bytes().decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    return below(root, name, str(root / pointer))


def clear_pointer(root: Path, pointer: str) -> None:
    """Takes the file `pointer` out of `root`, where it is there."""
    try:
        (root / pointer).unlink()
    except FileNotFoundError:
        return
    sync_directory(root)


def verified(root: Path, bundle: Path) -> Manifest:
    """The manifest of a bundle that may go into service; raises BundleError for one that isn't
    whole, or isn't right below `root`."""
    if bundle.parent.resolve() != root.resolve():
        raise BundleError(f"bundle {bundle} isn't in {root}; write it there first")
    manifest, _ = read_bundle(bundle)
    return manifest


def manifests(root: Path) -> list[Manifest]:
    """The manifests of all bundles below `root`; raises BundleError for one that can't be read."""
    return [
        _read_manifest(path.parent, path.read_bytes())
        for path in sorted(root.glob(f"*/{MANIFEST}"))
        if _NAME.fullmatch(path.parent.name)
    ]


def read_bundle(directory: Path) -> tuple[Manifest, bytes]:
    """The verified manifest and model bytes of a bundle; raises BundleError for anything else."""
    try:
        written = (directory / MANIFEST).read_bytes()
        model = (directory / MODEL).read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {directory} is incomplete: {error}") from error
    manifest = _read_manifest(directory, written)
    found = {MODEL: hashlib.sha256(model).hexdigest(), MANIFEST: _manifest_digest(manifest)}
    for name, digest in found.items():
        if manifest.sha256.get(name) != digest:
            raise BundleError(
                f"bundle {directory}: {name} has sha256 {digest}, the manifest says "
                f"{manifest.sha256.get(name)}; deploy the model again"
            )
    return manifest, model


def made_by(bundles: Path, version: str, digest: str) -> tuple[Manifest, bytes]:
    """The verified manifest and bytes of the model that decisions name; raises BundleError."""
    damaged: list[str] = []
    for directory in sorted(bundles.glob(f"*-{digest[:12]}")):
        try:
            manifest, raw = read_bundle(directory)
        except BundleError as error:
            damaged.append(str(error))
            continue
        if manifest.sha256[MODEL] == digest and manifest.model_version == version:
            return manifest, raw
    said = f" ({'; '.join(damaged)})" if damaged else ""
    raise BundleError(
        f"model {version} with sha256 {digest}, and {bundles} has no whole bundle of it{said}; put "
        "its directory back there (from a backup, or by deploying that version again) to replay "
        "the decision"
    )


def below(root: Path, name: str, source: str) -> Path:
    """The directory of a bundle that `source` names; raises BundleError where it can't be one."""
    if not _NAME.fullmatch(name):
        raise BundleError(
            f"{source} names {name!r}, which is not a bundle's directory; "
            "remove it, or deploy a model again"
        )
    return root / name


def _read_manifest(directory: Path, written: bytes) -> Manifest:
    try:
        return msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"bundle {directory}: {MANIFEST} is not readable: {error}") from error


def _sealed(manifest: Manifest, model_digest: str) -> Manifest:
    """The manifest as a reader will find it, with the model's hash and its own."""
    bare = msgspec.structs.replace(manifest, sha256={MODEL: model_digest})
    try:
        # There and back: JSON has no NaN, and makes an int of a float field a float.
        bare = msgspec.json.decode(msgspec.json.encode(bare), type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(f"the manifest of model {manifest.model_version}: {error}") from error
    hashes = {MODEL: model_digest, MANIFEST: _manifest_digest(bare)}
    return msgspec.structs.replace(bare, sha256=hashes)


def _manifest_digest(manifest: Manifest) -> str:
    """The sha256 over the manifest's values, so that its layout in the file is free."""
    others = {name: digest for name, digest in manifest.sha256.items() if name != MANIFEST}
    bare = msgspec.structs.replace(manifest, sha256=others)
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()


def _put_in_place(staging: Path, final: Path, manifest: Manifest) -> None:
    """Renames `staging` to `final`, unless an equal bundle is there already."""
    try:
        staging.rename(final)
    except OSError:
        if not final.is_dir():
            raise
    else:
        return
    try:
        there, _ = read_bundle(final)
    except BundleError:
        # A rename can't replace a directory that holds files.
        damaged = final.rename(staging.with_name(f"{staging.name}-damaged"))
        staging.rename(final)
        shutil.rmtree(damaged, ignore_errors=True)
        return
    may_differ = {"created_at", "run_id", "sha256"}
    differing = [
        name
        for name in Manifest.__struct_fields__
        if name not in may_differ and getattr(there, name) != getattr(manifest, name)
    ]
    if differing:
        raise BundleError(
            f"bundle {final} is there with the same model and another {', '.join(differing)}; "
            "register the model as a new version"
        )
