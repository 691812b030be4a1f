"""What the kept reports of days say, as signs that `retraining` decides on."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec

from fraud_platform.contracts.monitoring import QualityReport
from fraud_platform.errors import PredictFlowError
from fraud_platform.monitoring.drift import Drifted
from fraud_platform.monitoring.retraining import Sign

_FLOORS = ("precision", "recall")


class _DriftReport(msgspec.Struct, frozen=True):
    """What is needed of `drift_day.DriftReport`, whose module would import XGBoost."""

    day: date
    model_version: str | None = None
    model_sha256: str | None = None
    drifted: Drifted | None = None
    unjudged: str = ""


def drift_signs(folder: Path, after: date) -> list[Sign]:
    """Of each day after `after` that drift_report kept, the features that vanished or drifted, the
    farthest first. Raises PredictFlowError for a report that can't be read."""
    return [
        Sign(
            day=report.day,
            told=report.day,
            found=_moved(report.drifted),
            model_sha256=report.model_sha256,
            model_version=report.model_version,
            unjudged=report.unjudged,
        )
        for report in _reports(folder, after, _DriftReport)
    ]


def quality_signs(folder: Path, after: date) -> list[Sign]:
    """Of each decided day that prediction_quality judged as final in a report of a day after
    `after`, what was below its floor. Raises PredictFlowError for a report that can't be read."""
    found = []
    for report in _reports(folder, after, QualityReport):
        for one in (one for one in report.days if one.estimate == "matured"):
            below = [
                name for name in _FLOORS if any(text.startswith(name) for text in report.findings)
            ]
            found.append(
                Sign(
                    day=date.fromisoformat(one.decided),
                    told=date.fromisoformat(report.day),
                    found=below,
                    unjudged=one.unjudged,
                )
            )
    return found


def _moved(drifted: Drifted | None) -> list[str]:
    return [*drifted.vanished, *(one.name for one in drifted.found)] if drifted else []


def _reports[Report](folder: Path, after: date, kind: type[Report]) -> Iterator[Report]:
    for path in sorted(folder.glob("????-??-??.json")):
        if path.stem <= str(after):
            continue
        try:
            yield msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PredictFlowError(
                f"report {path} can't be read: {error}; materialise its day again, or take it away"
            ) from error
