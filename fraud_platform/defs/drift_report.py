"""`drift_report`: whether a day is still like what the live model was trained on."""

import base64

import dagster as dg

from fraud_platform.contracts.quality import Rule
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.prediction_log import prediction_log
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_features import transaction_features

JUDGED = Rule("judged", "The day could be held against the live model's training.", blocking=False)
UNMOVED = Rule("unmoved", "No feature and no score drifted from training.", blocking=False)


@dg.asset(
    deps=[transaction_features, prediction_log],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="monitoring",
    owners=metadata.ML_TEAM,
    kinds={"numpy", "polars"},
    check_specs=checks.specs("drift_report", (JUDGED, UNMOVED)),
)
def drift_report(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Every feature and the score of a day against the training of the model that is live now.

    A day without rows, or a model that carries no reference, makes a report too: it says why
    nothing was judged, and the check `judged` fails. The report is kept as JSON and as one HTML
    page in data_dir/reports/drift.
    """
    # XGBoost and matplotlib take seconds to import, which loading the definitions needn't pay.
    from fraud_platform.monitoring import drift_day, drift_page  # noqa: PLC0415

    settings, day = platform.settings, last_day(context).date()
    with checks.explained():
        report = drift_day.report_on(settings, platform.lake, day)
        drawn = drift_page.plots(report)
        page = drift_day.keep(settings.drift_dir, report, drift_page.render(report, drawn))
    moved = drift_day.moved(report)
    found = dg.MetadataValue.json(report.findings)
    return dg.MaterializeResult(
        metadata={
            "verdict": drift_page.headline(report),
            "model_version": report.model_version or "none",
            "rows": report.rows,
            "drifted": dg.MetadataValue.json(moved),
            "findings": found,
            "measures": dg.MetadataValue.md(drift_page.markdown(report)),
            "plots": dg.MetadataValue.md("\n\n".join(_picture(*one) for one in drawn.items())),
            "page": dg.MetadataValue.path(str(page)),
        },
        check_results=[
            checks.held(JUDGED, [report.unjudged] if report.unjudged else []),
            checks.held(UNMOVED, (report.findings or moved) if moved else []),
        ],
    )


def _picture(name: str, png: bytes) -> str:
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
