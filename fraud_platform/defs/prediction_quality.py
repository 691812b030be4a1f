"""`prediction_quality`: what the service really gave, held against what is known of it by now."""

import dagster as dg

from fraud_platform.clock import days_between
from fraud_platform.contracts.monitoring import LiveParity, QualityReport
from fraud_platform.contracts.quality import Rule
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.prediction_log import prediction_log
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.monitoring import live_parity, quality_day
from fraud_platform.settings import load_settings

_matured = days_before(load_settings().labels.maturity_days)
JUDGED = Rule(
    "judged", "The matured day has decisions with labels of both classes.", blocking=False
)
ABOVE_FLOORS = Rule(
    "above_floors",
    "The matured day's precision and recall are not below quality_floors.",
    blocking=False,
)
PARITY = Rule(
    "parity",
    "The day's served vectors are the lake's, but for what a state that was behind explains.",
    blocking=False,
)


@dg.asset(
    deps=[
        dg.AssetDep(prediction_log, partition_mapping=_matured),
        dg.AssetDep(transaction_labels, partition_mapping=_matured),
        dg.AssetDep(transaction_features, partition_mapping=days_before(1)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="monitoring",
    owners=metadata.ML_TEAM,
    kinds={"polars", "scikitlearn"},
    check_specs=checks.specs("prediction_quality", (JUDGED, ABOVE_FLOORS, PARITY)),
)
def prediction_quality(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """The verdicts that were given against the labels known at the day's end, and the vectors.

    A day judges the decisions of labels.maturity_days before as final, and each day since as an
    early estimate; a day without decisions, or without labels of both classes, says so. Of its own
    decisions it compares the vectors that were served with `transaction_features`. Both reports are
    kept as JSON in data_dir/reports/quality.
    """
    settings, lake = platform.settings, platform.lake
    start, end = (moment.date() for moment in window(context))
    made: list[tuple[QualityReport, LiveParity]] = []
    for day in days_between(start, end):
        with checks.explained():
            report = quality_day.report_on(settings, lake, day)
            parity = live_parity.report_on(settings, lake, day)
        kept = {
            "report": quality_day.keep(settings.quality_dir, report),
            "parity_report": live_parity.keep(settings.quality_dir, parity),
        }
        told = {
            "verdict": quality_day.headline(report),
            "quality": dg.MetadataValue.md(quality_day.markdown(report)),
            "findings": dg.MetadataValue.json(report.findings),
            "parity": dg.MetadataValue.md(live_parity.markdown(parity)),
            "vectors": parity.vectors,
            "identical_vectors": parity.identical,
            **{name: dg.MetadataValue.path(str(path)) for name, path in kept.items()},
            **_figures(report),
        }
        metadata.describe_days(context, {day: told})
        made.append((report, parity))
    by_request = any(live_parity.of_request(name) for _, one in made for name in one.differing)
    severity = dg.AssetCheckSeverity.ERROR if by_request else dg.AssetCheckSeverity.WARN
    matured = [report.days[0] for report, _ in made]
    unjudged = [f"{one.decided}: {one.unjudged}" for one in matured if one.unjudged]
    broken = [text for _, parity in made for text in live_parity.broken(parity)]
    return dg.MaterializeResult(
        check_results=[
            checks.held(JUDGED, unjudged),
            checks.held(ABOVE_FLOORS, [text for report, _ in made for text in report.findings]),
            checks.held(PARITY, broken, severity),
        ]
    )


def _figures(report: QualityReport) -> dict[str, float | int]:
    """The matured day's figures, those that there are, for Dagster's plots over days."""
    one = report.days[0].overall
    named = {name: getattr(one, name) for name in one.__struct_fields__ if name != "model_version"}
    return {name: value for name, value in named.items() if value is not None}
