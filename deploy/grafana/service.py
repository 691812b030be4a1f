"""The service: what it answers, how fast, what keeps it from answering well."""

from deploy.grafana.panels import Board, Panel, Variable

_HERE = 'instance=~"$instance"'


def _rate(name: str, *by: str) -> str:
    rate = f"rate({name}{{{_HERE}}}[$__rate_interval])"
    return f"sum by ({', '.join(by)}) ({rate})" if by else f"sum({rate})"


def _increase(name: str, *by: str) -> str:
    rise = f"increase({name}{{{_HERE}}}[$__rate_interval])"
    return f"sum by ({', '.join(by)}) ({rise})" if by else f"sum({rise})"


def _quantile(share: float, name: str, *by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', 'le', *by)})"


_GIVEN = _rate("fraud_predictions_total")

SERVICE = Board(
    "service",
    "PredictFlow · service",
    "Decisions, their latency, what degrades them, the online state and the decision log.",
    variables=[Variable("instance", "Instance", "label_values(fraud_worker_up, instance)")],
    rows={
        "Now": [
            Panel(
                "Alerts",
                "What is firing, of all parts of the platform; each has a section in the runbook.",
                "short",
                {
                    "": "max by (alertname, severity)"
                    ' (ALERTS{alertname=~"Fraud.+", alertstate="firing"})'
                },
                "table",
                width=8,
                height=6,
            ),
            Panel(
                "Decisions a minute",
                "Given by all instances chosen above.",
                "short",
                {"decisions": f"60 * {_GIVEN}"},
                "stat",
                ["FraudNoDecisions"],
                width=4,
                height=6,
            ),
            Panel(
                "Latency, 99th percentile",
                "From a request's arrival at the handler to its decision.",
                "s",
                {"p99": _quantile(0.99, "fraud_prediction_latency_seconds")},
                "stat",
                ["FraudLatencyHigh"],
                "FraudLatencyHigh",
                width=4,
                height=6,
            ),
            Panel(
                "Degraded",
                "Share of decisions given without the online state.",
                "percentunit",
                {"degraded": f"{_rate('fraud_predictions_degraded_total')} / {_GIVEN}"},
                "stat",
                ["FraudDegradedHigh"],
                "FraudDegradedHigh",
                width=4,
                height=6,
            ),
            Panel(
                "Model in service",
                "Version and day of the model by instances; more than one for longer than a minute"
                " means that an instance does not take the new one.",
                "short",
                {
                    "v{{model_version}} of {{partition}}": "count by (model_version, partition)"
                    f" (fraud_model_info{{{_HERE}}})"
                },
                "stat",
                ["FraudNoModel", "FraudModelRefused"],
                width=4,
                height=6,
            ),
        ],
        "Decisions": [
            Panel(
                "Decisions by verdict",
                "A second. A share of frauds that jumps is a change of the payments or of a model.",
                "reqps",
                {"{{prediction}}": _rate("fraud_predictions_total", "prediction")},
                alerts=["FraudNoDecisions"],
                stacked=True,
            ),
            Panel(
                "Latency",
                "Half, and all but one in a hundred, are faster.",
                "s",
                {
                    "p50": _quantile(0.5, "fraud_prediction_latency_seconds"),
                    "p99": _quantile(0.99, "fraud_prediction_latency_seconds"),
                },
                alerts=["FraudLatencyHigh"],
                limits="FraudLatencyHigh",
            ),
            Panel(
                "Latency by instance, 99th percentile",
                "One instance that stands out is its machine's trouble, all of them the store's.",
                "s",
                {"{{instance}}": _quantile(0.99, "fraud_prediction_latency_seconds", "instance")},
                alerts=["FraudLatencyHigh"],
                limits="FraudLatencyHigh",
            ),
            Panel(
                "Degraded by reason",
                "late: past the deadline; busy: readers held up; open: not asked after five such;"
                " missing, locked or unreadable: what the store is; stale: the stream is behind.",
                "reqps",
                {"{{reason}}": _rate("fraud_predictions_degraded_total", "reason")},
                alerts=["FraudDegradedHigh"],
                stacked=True,
            ),
            Panel(
                "Requests failed",
                "For decisions, a second: 500 is a fault of the service, 503 no model or a decision"
                " that could not be logged.",
                "reqps",
                {"{{status}}": _rate("fraud_requests_failed_total", "status")},
                alerts=["FraudErrorsHigh"],
                stacked=True,
            ),
            Panel(
                "Requests turned away",
                "By what was wrong with the key, its scope or its rate.",
                "reqps",
                {"{{reason}}": _rate("fraud_requests_refused_total", "reason")},
                stacked=True,
            ),
            Panel(
                "Requests that came again",
                "replayed: had the answer they had; changed: another content under the same id;"
                " the others: answers kept for less than their time.",
                "reqps",
                {
                    "replayed": _rate("fraud_requests_replayed_total"),
                    "changed": _rate("fraud_requests_changed_total"),
                    "lost: {{reason}}": _rate("fraud_repeats_lost_total", "reason"),
                },
            ),
            Panel(
                "Batches, 99th percentile",
                "From a batch's arrival at the handler to its last decision.",
                "s",
                {"p99": _quantile(0.99, "fraud_batch_latency_seconds")},
            ),
            Panel(
                "Transactions in batches",
                "A second.",
                "reqps",
                {"transactions": _rate("fraud_batch_transactions_total")},
            ),
        ],
        "Online state": [
            Panel(
                "Age of the state",
                "How long ago the state that was read last was complete, by the view furthest"
                " behind; the oldest of the instances.",
                "s",
                {"age": f"max(fraud_online_state_age_seconds{{{_HERE}}})"},
                alerts=["FraudOnlineStateStale"],
                limits="FraudOnlineStateStale",
            ),
            Panel(
                "Since the stream was read to its end",
                "By the workers that keep recent events, where a stream does; past"
                " online.stale_seconds answers are degraded.",
                "s",
                {"age": f"max(fraud_stream_read_age_seconds{{{_HERE}}})"},
                alerts=["FraudDegradedHigh"],
            ),
            Panel(
                "Breakers open",
                "Workers that don't ask the online store, because it did not answer five times.",
                "short",
                {"{{instance}}": f"fraud_online_store_breaker_open{{{_HERE}}}"},
                alerts=["FraudDegradedHigh"],
                bad_from=1,
            ),
            Panel(
                "Breakers opened and closed",
                "Many changes: the store answers now and then, as it does under load.",
                "short",
                {"{{to}}": _increase("fraud_online_store_breaker_changes_total", "to")},
            ),
            Panel(
                "Payments recorded",
                "By the service itself, where online.recent_by is serving.",
                "reqps",
                {
                    "recorded": _rate("fraud_recorded_payments_total"),
                    "known already": _rate("fraud_recorded_again_total"),
                    "failed writes": _rate("fraud_recording_failures_total"),
                    "never: {{reason}}": _rate("fraud_unrecorded_payments_total", "reason"),
                },
            ),
            Panel(
                "Delay of recording, 99th percentile",
                "From a decision to its payment being seen by the next ones.",
                "s",
                {"p99": _quantile(0.99, "fraud_recording_delay_seconds")},
            ),
        ],
        "Decision log": [
            Panel(
                "Decisions logged",
                "A second; spilled are those in files because Kafka was away.",
                "reqps",
                {
                    "logged": _rate("fraud_decisions_logged_total"),
                    "spilled": _rate("fraud_decisions_spilled_total"),
                },
            ),
            Panel(
                "Decisions dropped",
                "full: too many waited; unwritten: lost at the end; refused: not answered, as they"
                " could not be logged.",
                "short",
                {"{{reason}}": _increase("fraud_decisions_dropped_total", "reason")},
                alerts=["FraudDecisionsDropped"],
                limits="FraudDecisionsDropped",
                stacked=True,
            ),
            Panel(
                "Decisions that wait",
                "To be stored; at 20,000 in a worker the next are dropped.",
                "short",
                {"{{instance}}": f"fraud_decisions_waiting{{{_HERE}}}"},
                alerts=["FraudDecisionsDropped"],
            ),
        ],
        "Processes": [
            Panel(
                "Workers",
                "Processes that answer.",
                "short",
                {"{{instance}}": f"sum by (instance) (fraud_worker_up{{{_HERE}}})"},
                alerts=["FraudServiceDown"],
            ),
            Panel(
                "Memory of the workers",
                "Resident, of each.",
                "bytes",
                {"{{instance}} {{worker}}": f"fraud_worker_memory_bytes{{{_HERE}}}"},
            ),
            Panel(
                "Bundles",
                "refused: not taken into service; the others are looks at the bundles in S3.",
                "short",
                {
                    "refused": _increase("fraud_bundles_refused_total"),
                    "shadow refused": _increase("fraud_shadow_refused_total"),
                    "S3: {{outcome}}": _increase("fraud_bundles_looks_total", "outcome"),
                },
                alerts=["FraudModelRefused"],
            ),
        ],
    },
)
