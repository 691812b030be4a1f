"""Kept reports as signs: the same names that the reports themselves give."""

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fraud_platform.contracts.monitoring import QualityReport
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.reference import SCORE, build_reference, read_reference
from fraud_platform.monitoring.drift import judge_day
from fraud_platform.monitoring.drift_day import DriftReport, keep, moved
from fraud_platform.monitoring.quality import below_floors
from fraud_platform.monitoring.quality_day import keep as keep_quality
from fraud_platform.monitoring.signs import drift_signs, quality_signs
from fraud_platform.settings import Drift, QualityFloors
from fraud_platform_tests.monitoring.test_quality import DAY, decisions, judged

EARLIER, LATER = date(2026, 3, 1), date(2026, 3, 8)
_random = np.random.default_rng(0)
TRAINED = _random.random((4_000, len(FEATURE_NAMES)))


def report(day: date) -> DriftReport:
    """Two features moved, one is gone, the score and the others are as in training."""
    reference = read_reference(build_reference(TRAINED, TRAINED[:, 0]))
    today = _random.random((1_000, len(FEATURE_NAMES)))
    columns = dict(zip(FEATURE_NAMES, today.T, strict=True)) | {SCORE: today[:, 0]}
    first, second, third = FEATURE_NAMES[:3]
    columns |= {first: columns[first] / 2, second: columns[second] * 5}
    del columns[third]
    groups = {name: [np.arange(1_000)] for name in columns}
    drifted = judge_day(columns, groups, reference, [*FEATURE_NAMES, SCORE], Drift())
    return DriftReport(day=str(day), model_version="7", model_sha256="a7", drifted=drifted)


def test_a_drift_report_is_a_sign_of_what_it_says_moved(tmp_path: Path) -> None:
    found = report(LATER)
    keep(tmp_path, found, "<html>")
    keep(tmp_path, DriftReport(day=str(EARLIER), unjudged="too few rows"), "<html>")
    (tmp_path / "figures.json").write_text("not a report")

    earlier, later = drift_signs(tmp_path, date(2026, 2, 28))
    assert (earlier.day, earlier.found, earlier.unjudged) == (EARLIER, [], "too few rows")
    assert (later.day, later.told, later.model_sha256, later.model_version) == (
        *(LATER, LATER),
        *("a7", "7"),
    )
    assert later.found == moved(found)
    assert set(later.found) == set(FEATURE_NAMES[:3])
    assert drift_signs(tmp_path, EARLIER) == [later]
    assert drift_signs(tmp_path / "nowhere", EARLIER) == []


@pytest.mark.parametrize(
    ("floors", "found"),
    [
        (QualityFloors(precision=0.01, recall=0.01), []),
        (QualityFloors(precision=0.01, recall=1.0), ["recall"]),
        (QualityFloors(precision=1.0, recall=1.0), ["precision", "recall"]),
    ],
)
def test_a_quality_report_is_a_sign_of_the_day_whose_labels_matured(
    tmp_path: Path, floors: QualityFloors, found: list[str]
) -> None:
    rows = decisions()
    early = msgspec.structs.replace(judged(rows), decided="2026-03-02", estimate="early")
    keep_quality(
        tmp_path,
        QualityReport(
            day=str(LATER), days=[judged(rows), early], findings=below_floors(rows, DAY, floors)
        ),
    )
    (one,) = quality_signs(tmp_path, EARLIER)
    assert (str(one.day), one.told, one.found) == (DAY, LATER, found)


def test_a_damaged_report_says_which_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / f"{LATER}.json").write_text("{")
    for read in (drift_signs, quality_signs):
        with pytest.raises(
            PredictFlowError, match=f"{LATER}.json can.t be read.*materialise its day again"
        ):
            read(tmp_path, EARLIER)
    assert drift_signs(tmp_path, LATER) == []
