"""The model: which one is live, how good its decisions were, what the gate says of the next."""

from deploy.grafana.panels import Board, Panel, Variable

_TESTED_CALIBRATION = 'fraud_champion_metric{metric="expected_calibration_error"}'
_OF = 'model_version=~"$model_version"'


def _quality(name: str) -> dict[str, str]:
    """A figure of the decided days: matured once labels are final, early before."""
    by = f"max by (estimate, model_version) ({name}{{{_OF}}})"
    return {"{{estimate}}, v{{model_version}}": by}


def _floor(metric: str) -> dict[str, str]:
    return {"floor": f'max(fraud_quality_floor{{metric="{metric}"}})'}


def _difference(share: float) -> str:
    rate = "sum by (le) (rate(fraud_shadow_difference_bucket[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


MODEL = Board(
    "model",
    "PredictFlow · model",
    "The live model, the quality of the decisions that were really given, the gate and the shadow."
    " Quality is matured once the labels of the decided day are final, and early before.",
    variables=[
        Variable("model_version", "Version", "label_values(fraud_model_precision, model_version)")
    ],
    period="now-30d",
    rows={
        "The live model": [
            Panel(
                "Live",
                "As the log of promotions has it.",
                "short",
                {
                    "{{model_name}} v{{model_version}} of {{partition}}": "max by"
                    " (model_name, model_version, partition) (fraud_champion_info)"
                },
                "stat",
                width=8,
                height=5,
            ),
            Panel(
                "Went live",
                "How long ago.",
                "dateTimeFromNow",
                {"went live": "max(fraud_champion_promoted_timestamp_seconds) * 1000"},
                "stat",
                ["FraudModelOld"],
                width=4,
                height=5,
            ),
            Panel(
                "In service",
                "Instances by the version that they answer with; it follows the live one within"
                " seconds.",
                "short",
                {"v{{model_version}}": "count by (model_version) (fraud_model_info)"},
                "stat",
                ["FraudModelRefused"],
                width=4,
                height=5,
            ),
            Panel(
                "Its figures when it was tested",
                "Of the days that the gate judged it on.",
                "short",
                {"": "max by (metric) (fraud_champion_metric)"},
                "table",
                width=8,
                height=5,
            ),
        ],
        "Quality of the decisions given": [
            Panel(
                "Precision",
                "Share of the decisions called fraud that were; what customers feel.",
                "percentunit",
                _quality("fraud_model_precision") | _floor("precision"),
                alerts=["FraudPrecisionLow"],
            ),
            Panel(
                "Recall",
                "Share of the frauds that were called so; what the frauds' victims feel.",
                "percentunit",
                _quality("fraud_model_recall") | _floor("recall"),
                alerts=["FraudRecallLow"],
            ),
            Panel(
                "AUC and average precision",
                "How well the probabilities order frauds before others, at any threshold.",
                "short",
                {
                    "AUC, {{estimate}}, v{{model_version}}": "max by (estimate, model_version)"
                    f" (fraud_model_auc{{{_OF}}})",
                    "AP, {{estimate}}, v{{model_version}}": "max by (estimate, model_version)"
                    f" (fraud_model_average_precision{{{_OF}}})",
                },
            ),
            Panel(
                "Calibration error",
                "By how much the probabilities differ from how often it was fraud.",
                "percentunit",
                _quality("fraud_model_calibration_error")
                | {"limit": f"0.01 + 3 * max({_TESTED_CALIBRATION})"},
                alerts=["FraudCalibrationOff"],
            ),
            Panel(
                "Money saved and lost",
                "On the decided day, in currency units: lost is what frauds that went through and"
                " wrong alarms cost, saved by how much that is less than without a model.",
                "short",
                {
                    "saved, {{estimate}}, v{{model_version}}": "max by (estimate, model_version)"
                    f" (fraud_model_money_saved{{{_OF}}})",
                    "lost, {{estimate}}, v{{model_version}}": "max by (estimate, model_version)"
                    f" (fraud_model_money_lost{{{_OF}}})",
                },
            ),
            Panel(
                "Age of what is judged",
                "How long ago the decided day ended; matured ones are as old as labels take.",
                "s",
                {
                    "{{estimate}}": "time() - max by (estimate)"
                    " (fraud_quality_day_timestamp_seconds)"
                },
            ),
        ],
        "The gate": [
            Panel(
                "Last challenger",
                "1 if the gate let it in.",
                "bool_yes_no",
                {"let in": "max(fraud_gate_passed)"},
                "stat",
                ["FraudGateRefusing"],
                width=4,
            ),
            Panel(
                "Judged",
                "How long ago the gate judged one.",
                "dateTimeFromNow",
                {"judged": "max(fraud_gate_timestamp_seconds) * 1000"},
                "stat",
                width=4,
            ),
            Panel(
                "Refused by",
                "Conditions of the gate, for the challenger judged last; 1 kept it out.",
                "bool",
                {"{{condition}}": "1 - min by (condition) (fraud_gate_condition_passed)"},
                "status-history",
                ["FraudGateRefusing"],
                width=16,
                bad_from=1,
            ),
        ],
        "What it says now": [
            Panel(
                "Share called fraud",
                "Of the decisions given.",
                "percentunit",
                {
                    "fraud": 'sum(rate(fraud_predictions_total{prediction="fraud"}'
                    "[$__rate_interval])) / sum(rate(fraud_predictions_total[$__rate_interval]))"
                },
                alerts=["FraudDrift"],
            ),
            Panel(
                "Confidence",
                "|p - 0.5| * 2: a tenth and a half of the decisions are less sure than this.",
                "short",
                {
                    f"p{round(100 * share)}": f"histogram_quantile({share}, sum by (le)"
                    " (rate(fraud_model_confidence_bucket[$__rate_interval])))"
                    for share in (0.1, 0.5)
                },
            ),
            Panel(
                "The shadow differs by",
                "Between the probabilities of the shadow's and the live model.",
                "short",
                {"p50": _difference(0.5), "p99": _difference(0.99)},
            ),
            Panel(
                "The shadow would decide otherwise",
                "A second: champion's verdict, then the shadow's.",
                "reqps",
                {
                    "{{champion}} → {{shadow}}": "sum by (champion, shadow)"
                    " (rate(fraud_shadow_disagreements_total[$__rate_interval]))"
                },
            ),
            Panel(
                "Scored by the shadow",
                "A second, and those left out with why.",
                "reqps",
                {
                    "scored": "sum(rate(fraud_shadow_scores_total[$__rate_interval]))",
                    "left out: {{reason}}": "sum by (reason)"
                    " (rate(fraud_shadow_unscored_total[$__rate_interval]))",
                },
            ),
            Panel(
                "Shadow",
                "The model in the shadow, by instances.",
                "short",
                {"v{{model_version}}": "count by (model_version) (fraud_shadow_info)"},
                "stat",
            ),
        ],
    },
)
