"""The drift of a day of the lake against the live model: read, scored, judged, written down."""

import os
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pyarrow.dataset as ds

from fraud_platform.contracts.tables import PREDICTION_LOG
from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import (
    MODEL,
    BundleError,
    Manifest,
    champion_path,
    read_bundle,
)
from fraud_platform.modelling.dataset import matrix_of
from fraud_platform.modelling.predict import load_booster, predict
from fraud_platform.modelling.reference import SCORE
from fraud_platform.monitoring.drift import Drifted, DriftError, judge_day, reference_of
from fraud_platform.monitoring.drift_words import sentences
from fraud_platform.settings import Settings

CLUSTERS = ("user_id", "merchant_id")
NOT_LOGGED = "scored by the live model, as its own decisions of the day are too few"
LOGGED = "as the service logged them"


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """A day's drift against the model that was live when the report was made.

    `drifted` is None, and `unjudged` says why, where the day could not be held against it; then
    the model's version is None where there is no model. `scores` says where the scores are from,
    `weekdays` which former days were there to compare with, `findings` what drifted, in words.
    """

    day: str
    model_version: str | None = None
    model_sha256: str | None = None
    partition: str | None = None
    rows: int = 0
    scores: str = ""
    weekdays: list[str] = []
    drifted: Drifted | None = None
    findings: list[str] = []
    unjudged: str = ""


def report_on(settings: Settings, lake: Lake, day: date) -> DriftReport:
    """The report on a day; a day or a model that can't be judged makes a report that says so."""
    try:
        path = champion_path(settings.bundles_dir)
        if path is None:
            return DriftReport(day=day.isoformat(), unjudged="no model is live yet")
        manifest, model = read_bundle(path)
    except BundleError as error:
        return DriftReport(day=day.isoformat(), unjudged=f"the live model can't be read: {error}")
    rows = _Rows(settings, lake, manifest, model)
    frame = rows.features(day)
    about = DriftReport(
        day=day.isoformat(),
        model_version=manifest.model_version,
        model_sha256=manifest.sha256[MODEL],
        partition=manifest.partition,
        rows=frame.height,
    )
    try:
        called = f"the live model v{manifest.model_version} of {manifest.partition}"
        reference = reference_of(called, manifest.features, manifest.reference)
        columns = {name: _values(frame, name) for name in rows.present}
        groups: dict[str, Sequence[np.ndarray]] = dict.fromkeys(columns, _codes(frame))
        logged = rows.logged(day)
        enough = logged.height >= settings.drift.min_rows
        if enough:
            columns[SCORE] = logged["fraud_probability"].to_numpy()
            groups[SCORE] = _codes(logged)
        elif rows.complete and frame.height:
            columns[SCORE], groups[SCORE] = rows.score(frame), _codes(frame)
        weekdays = [one for one in _weekdays(settings, manifest, day) if rows.has(one)]
        drifted = judge_day(
            columns,
            groups,
            reference,
            [*manifest.features, SCORE],
            settings.drift,
            lambda name: [rows.values(one, name) for one in weekdays],
        )
    except DriftError as error:
        return msgspec.structs.replace(about, unjudged=str(error))
    findings = [
        f"{name}: gone from {TRANSACTION_FEATURES.name}, and the model takes it"
        for name in drifted.vanished
    ]
    return msgspec.structs.replace(
        about,
        scores=LOGGED if enough else NOT_LOGGED if SCORE in columns else "",
        weekdays=[str(one) for one in weekdays],
        drifted=drifted,
        findings=findings + [text for one in drifted.found for text in sentences(one)],
    )


def keep(folder: Path, report: DriftReport, page: str) -> Path:
    """Writes DAY.html and DAY.json into `folder`, each whole or not at all; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in (("html", page.encode()), ("json", msgspec.json.encode(report))):
        handle, name = tempfile.mkstemp(prefix=f".{report.day}-", dir=folder)
        os.close(handle)
        staging = Path(name)
        try:
            staging.chmod(0o644)
            write_durably(staging, content)
            staging.replace(folder / f"{report.day}.{suffix}")
        finally:
            staging.unlink(missing_ok=True)
    sync_directory(folder)
    return folder / f"{report.day}.html"


class _Rows:
    """Days as the live model sees them."""

    def __init__(self, settings: Settings, lake: Lake, manifest: Manifest, model: bytes) -> None:
        self._settings, self._lake, self._manifest = settings, lake, manifest
        self._booster = load_booster(model, manifest.features, threads=0)
        has = TRANSACTION_FEATURES.schema.names
        self.present = [name for name in manifest.features if name in has]
        self.complete = self.present == manifest.features

    def features(self, day: date) -> pl.DataFrame:
        return self._read(day, [*CLUSTERS, *self.present])

    def logged(self, day: date) -> pl.DataFrame:
        """What this very model decided in the service, without what it decided half blind."""
        mine = ds.field("model_sha256") == self._manifest.sha256[MODEL]
        return self._lake.read(
            PREDICTION_LOG,
            day,
            day + timedelta(days=1),
            columns=[*CLUSTERS, "fraud_probability"],
            where=mine & ~ds.field("degraded"),
        )

    def has(self, day: date) -> bool:
        return bool(self._lake.count_by_day(TRANSACTION_FEATURES, day, day + timedelta(days=1)))

    def values(self, day: date, name: str) -> np.ndarray:
        """A feature of a day, or its scores by the model."""
        if name != SCORE:
            return _values(self._read(day, [name]), name)
        return self.score(self.features(day)) if self.complete else np.empty(0)

    def score(self, frame: pl.DataFrame) -> np.ndarray:
        matrix = matrix_of(frame, self._manifest.features)
        return predict(self._booster, matrix, self._manifest.calibration)

    def _read(self, day: date, columns: list[str]) -> pl.DataFrame:
        return self._lake.read(TRANSACTION_FEATURES, day, day + timedelta(days=1), columns=columns)


def _weekdays(settings: Settings, manifest: Manifest, day: date) -> list[date]:
    """Former days of the same weekday, the last ones up to the model's own day."""
    known = date.fromisoformat(manifest.partition)
    weeks = max(1, -((known - day).days // 7))
    return [day - timedelta(weeks=weeks + i) for i in range(settings.drift.weekdays)]


def _values(frame: pl.DataFrame, name: str) -> np.ndarray:
    return frame[name].fill_null(float("nan")).to_numpy()


def _codes(frame: pl.DataFrame) -> list[np.ndarray]:
    """Who each row is of, as codes from 0 on: by user and by merchant."""
    if not frame.height:
        return []
    return [frame[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in CLUSTERS]


def moved(report: DriftReport) -> list[str]:
    """The names of what drifted or vanished."""
    found = report.drifted
    return [*found.vanished, *(one.name for one in found.found)] if found else []
