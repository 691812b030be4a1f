"""Drift: how far the newest judged day is from what the live model was trained on."""

from deploy.grafana.panels import Board, Kind, Panel, Variable

_OF = 'feature=~"$feature"'


def _by_feature(name: str, kind: Kind = "timeseries") -> dict[str, str]:
    return {"" if kind == "table" else "{{feature}}": f"max by (feature) ({name}{{{_OF}}})"}


DRIFT = Board(
    "drift",
    "PredictFlow · drift",
    "Each feature's day against the model's training, and the served vectors against the offline"
    " ones. What chance explains is taken off before a feature counts as drifted.",
    variables=[Variable("feature", "Feature", "label_values(feature_distribution_shift, feature)")],
    period="now-30d",
    rows={
        "The newest day": [
            Panel(
                "Features that drifted",
                "Beyond their limits, chance and the weekday's habit.",
                "short",
                {"drifted": "sum(max by (feature) (feature_drifted))"},
                "stat",
                ["FraudDrift"],
                width=4,
                height=8,
                bad_from=1,
            ),
            Panel(
                "Judged",
                "0 where the day could not be judged: too few rows, or a model without reference.",
                "bool_yes_no",
                {"judged": "max(fraud_drift_judged)"},
                "stat",
                ["FraudDriftUnjudged"],
                width=4,
                height=8,
            ),
            Panel(
                "Since that day",
                "Time since the day that was judged last ended.",
                "s",
                {"age": "time() - max(fraud_drift_day_timestamp_seconds)"},
                "stat",
                ["FraudDriftUnjudged"],
                "FraudDriftUnjudged",
                width=4,
                height=8,
            ),
            Panel(
                "Furthest from training",
                "The ten features with the largest PSI; `score` is the model's own answer.",
                "short",
                {
                    "": "topk(10, max by (feature) (feature_population_stability_index))",
                },
                "table",
                ["FraudDrift"],
                width=12,
                height=8,
            ),
        ],
        "Over time": [
            Panel(
                "Drifted or not",
                "By feature and time; 1 is beyond its limits.",
                "bool",
                _by_feature("feature_drifted"),
                "status-history",
                ["FraudDrift"],
                width=12,
                height=12,
                bad_from=1,
            ),
            Panel(
                "PSI, as heat",
                "By custom 0.1 is a shift to look at and 0.25 a large one.",
                "short",
                _by_feature("feature_population_stability_index"),
                "status-history",
                ["FraudDrift"],
                width=12,
                height=12,
                bad_from=0.25,
            ),
            Panel(
                "Kullback-Leibler divergence",
                "Of the day from training, in nats.",
                "short",
                _by_feature("feature_distribution_shift"),
                alerts=["FraudDrift"],
            ),
            Panel(
                "Population stability index",
                "By feature.",
                "short",
                _by_feature("feature_population_stability_index"),
                alerts=["FraudDrift"],
            ),
            Panel(
                "Kolmogorov-Smirnov distance",
                "The largest difference between the cumulated shares.",
                "percentunit",
                _by_feature("feature_kolmogorov_smirnov"),
                alerts=["FraudDrift"],
            ),
            Panel(
                "Missing values",
                "By how much their share differs from training's.",
                "percentunit",
                _by_feature("feature_missing_difference"),
                alerts=["FraudDrift"],
            ),
            Panel(
                "Values that training never saw",
                "Their share: a new category, or beyond all that there was.",
                "percentunit",
                _by_feature("feature_outside_share"),
                alerts=["FraudDrift"],
            ),
        ],
        "Parity": [
            Panel(
                "Vectors with the same bits",
                "Share of the served vectors that equal those of transaction_features.",
                "percentunit",
                {"identical": "min(fraud_parity_identical_share)"},
                alerts=["FraudParityBroken"],
            ),
            Panel(
                "Behind",
                "Values that differ because the online state was behind, by feature.",
                "short",
                _by_feature("fraud_parity_skewed_values"),
                alerts=["FraudOnlineStateStale"],
            ),
            Panel(
                "Different",
                "Values that no freshness explains, by feature: serving and training disagree.",
                "short",
                _by_feature("fraud_parity_differing_values"),
                alerts=["FraudParityBroken"],
                bad_from=1,
            ),
        ],
    },
)
