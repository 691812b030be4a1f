"""The data: which days are made, how many rows they have, and how records come in."""

from deploy.grafana.panels import Board, Panel


def _rate(name: str, *by: str) -> str:
    rate = f"rate({name}[$__rate_interval])"
    return f"sum by ({', '.join(by)}) ({rate})" if by else f"sum({rate})"


def _quantiles(name: str, also: str = "") -> dict[str, str]:
    rate = f"sum by (le) (rate({name}_bucket{also}[$__rate_interval]))"
    return {
        f"p{round(100 * share)}": f"histogram_quantile({share}, {rate})" for share in (0.5, 0.99)
    }


DATA = Board(
    "data",
    "PredictFlow · data",
    "Days made, failed and missing, the tables of the lake, landing from Kafka and the stream.",
    period="now-7d",
    rows={
        "Days": [
            Panel(
                "The last 30 days",
                "made: its features are in the lake; failed or running: how its last run fared;"
                " missing: it has ended, and nothing was made of it.",
                "short",
                {"{{state}}": "max by (state) (fraud_days)"},
                "stat",
                ["FraudDayMissing"],
                width=8,
                height=5,
            ),
            Panel(
                "Since the newest made day",
                "Time since it ended; a day is there by 04:00.",
                "s",
                {"age": "time() - max(fraud_last_made_day_timestamp_seconds)"},
                "stat",
                ["FraudDayMissing"],
                "FraudDayMissing",
                width=4,
                height=5,
            ),
            Panel(
                "Failed runs",
                "Of Dagster, in the last 24 hours, after their last try.",
                "short",
                {"failed": "max(fraud_failed_runs)"},
                "stat",
                ["FraudRunsFailed"],
                "FraudRunsFailed",
                width=4,
                height=5,
            ),
            Panel(
                "Alerts that wait",
                "For targets that are down; `predictflow alerts list` shows them.",
                "short",
                {"waiting": "max(fraud_alerts_waiting)"},
                "stat",
                ["FraudAlertsWaiting"],
                "FraudAlertsWaiting",
                width=4,
                height=5,
            ),
            Panel(
                "Age of these figures",
                "Gathered each minute by Dagster's sensor platform_figures.",
                "s",
                {"age": "time() - max(fraud_figures_timestamp_seconds)"},
                "stat",
                ["FraudFiguresStale"],
                "FraudFiguresStale",
                width=4,
                height=5,
            ),
        ],
        "Tables": [
            Panel(
                "Rows of the newest day",
                "By table; half of the days before is worth a look.",
                "short",
                {"{{table}}": "max by (table) (fraud_table_newest_day_rows)"},
                alerts=["FraudRowsLow"],
            ),
            Panel(
                "Since the newest day",
                "Time since the newest day of each table ended.",
                "s",
                {"{{table}}": "time() - max by (table) (fraud_table_newest_day_timestamp_seconds)"},
                alerts=["FraudDayMissing"],
            ),
            Panel(
                "All rows",
                "Of each table.",
                "short",
                {"": "max by (table) (fraud_table_rows)"},
                "table",
            ),
            Panel(
                "Quarantined",
                "Records of the newest day that could not be taken.",
                "short",
                {"quarantined": "max(fraud_quarantined_events)"},
                alerts=["FraudQuarantineHigh"],
            ),
        ],
        "Landing": [
            Panel(
                "Landed",
                "Rows a second, by kind.",
                "reqps",
                {"{{kind}}": _rate("fraud_ingest_rows_total", "kind")},
            ),
            Panel(
                "Records that wait",
                "To be landed, of each topic.",
                "short",
                {"{{topic}}": "sum by (topic) (fraud_ingest_lag_records)"},
            ),
            Panel(
                "Delay of landing",
                "From a record's own timestamp to its commit.",
                "s",
                _quantiles("fraud_ingest_delay_seconds"),
            ),
            Panel(
                "Not as the contract has it",
                "A second: rejected goes to the quarantine; a new field or another type is a"
                " change at the source.",
                "reqps",
                {
                    "rejected": _rate("fraud_ingest_rejected_total"),
                    "of another type": _rate("fraud_ingest_type_changed_total"),
                    "new fields": _rate("fraud_ingest_new_fields_total"),
                    "duplicates": _rate("fraud_ingest_duplicates_total"),
                },
                alerts=["FraudQuarantineHigh"],
            ),
            Panel(
                "Late",
                "Transactions landed after their day, a second; too late to make it again or not.",
                "reqps",
                {"too late: {{too_late}}": _rate("fraud_ingest_late_total", "too_late")},
            ),
            Panel(
                "Since the last commit",
                "Of each follower.",
                "s",
                {"{{instance}}": "time() - fraud_ingest_last_commit_timestamp_seconds"},
            ),
            Panel(
                "A batch",
                "From its first record to its commit, and the commit alone.",
                "s",
                {
                    "batch p99": _quantiles("fraud_ingest_batch_seconds")["p99"],
                    "commit p99": _quantiles("fraud_ingest_commit_seconds")["p99"],
                },
            ),
            Panel(
                "Followers' troubles",
                "Faults that were waited out, partitions assigned anew, and what another follower"
                " had landed by then.",
                "short",
                {
                    "faults": "sum(increase(fraud_ingest_failures_total[$__rate_interval]))",
                    "rebalances": "sum(increase(fraud_ingest_rebalances_total[$__rate_interval]))",
                    "superseded": "sum(increase(fraud_ingest_superseded_total[$__rate_interval]))",
                },
            ),
        ],
        "Stream": [
            Panel(
                "Events",
                "Added to their users' recent ones, a second; duplicates were there already.",
                "reqps",
                {
                    "events": _rate("fraud_stream_events_total"),
                    "duplicates": _rate("fraud_stream_duplicates_total"),
                    "batches": _rate("fraud_stream_batches_total"),
                    "skipped: {{reason}}": _rate("fraud_stream_skipped_total", "reason"),
                },
            ),
            Panel(
                "Records that wait for the stream",
                "To be written into the online store, of each partition.",
                "short",
                {"{{partition}}": "sum by (partition) (fraud_stream_lag_records)"},
            ),
            Panel(
                "Freshness",
                "From an event's record in Kafka to being readable in the online store.",
                "s",
                _quantiles("fraud_stream_freshness_seconds", '{since="record"}'),
            ),
            Panel(
                "Since the last write",
                "Of each worker.",
                "s",
                {"{{instance}}": "time() - fraud_stream_last_write_timestamp_seconds"},
            ),
            Panel(
                "Workers' troubles",
                "Faults that were waited out, partitions assigned anew, the topic read again.",
                "short",
                {
                    "faults: {{of}}": "sum by (of)"
                    " (increase(fraud_stream_faults_total[$__rate_interval]))",
                    "rebalances": "sum(increase(fraud_stream_rebalances_total[$__rate_interval]))",
                    "read again": "sum(increase(fraud_stream_rereads_total[$__rate_interval]))",
                },
            ),
        ],
    },
)
