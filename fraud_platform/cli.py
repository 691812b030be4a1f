"""The `predictflow` command. Only click is imported here: `--help` must be instant."""

import logging
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from fraud_platform.cli_alerts import alerts
from fraud_platform.cli_backtest import backtest
from fraud_platform.cli_decisions import decisions
from fraud_platform.cli_drill import drill
from fraud_platform.cli_features import features
from fraud_platform.cli_kafka import kafka, stream, topics
from fraud_platform.cli_keys import keys
from fraud_platform.cli_models import models
from fraud_platform.cli_online import online, parity
from fraud_platform.cli_options import DAY, POSITIVE, as_json
from fraud_platform.cli_quarantine import quarantine
from fraud_platform.cli_status import status
from fraud_platform.errors import PredictFlowError


class _Group(click.Group):
    """Prints a fault that a person can mend as one line and leaves with status 1."""

    def invoke(self, ctx: click.Context) -> object:
        if not sys.warnoptions:
            # Libraries warn each other of what they deprecate; python -W shows it.
            logging.captureWarnings(capture=True)
            logging.getLogger("py.warnings").addHandler(logging.NullHandler())
            logging.getLogger("py.warnings").propagate = False
        try:
            return super().invoke(ctx)
        except PredictFlowError as error:
            click.echo(f"predictflow: {error}", err=True)
            sys.exit(1)


mapping = click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column of the file holds a field; may be given more than once, or with commas. "
    "Fields: transaction_id, timestamp, user_id, merchant_id, amount, device_id, is_fraud, "
    "labelled_at.",
)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from predictflow.toml and PREDICTFLOW_* variables; `predictflow doctor` "
    "shows them. The usual way: ingest, materialize, serve.",
)
@click.version_option(package_name="predictflow")
def main() -> None:
    """From raw card transactions to a served fraud decision."""


main.add_command(topics)
main.add_command(kafka)
main.add_command(stream)
main.add_command(quarantine)
main.add_command(online)
main.add_command(parity)
main.add_command(features)
main.add_command(models)
main.add_command(keys)
main.add_command(backtest)
main.add_command(decisions)
main.add_command(alerts)
main.add_command(drill)
main.add_command(status)


@main.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Run on this file of transactions instead of simulated ones.",
)
@mapping
@as_json
def demo(data: Path | None, maps: tuple[str, ...], as_json: bool) -> None:
    """The whole way once: land, build, train, report, deploy, and ask the service.

    \b
      predictflow demo
      predictflow demo --data payments.parquet --map timestamp=paid_at,user_id=card
    """
    from fraud_platform.commands.demo import run_demo  # noqa: PLC0415

    run_demo(data, maps, as_json=as_json)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@mapping
@click.option("--labels", is_flag=True, help="The files hold labels, not transactions.")
@click.option("--kafka", is_flag=True, help="Land the topics up to their present end instead.")
@click.option("--follow", is_flag=True, help="With --kafka: go on until SIGTERM.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="With --kafka: go on where records are gone that were never landed, noting the gap.",
)
@as_json
def ingest(
    files: tuple[Path, ...],
    maps: tuple[str, ...],
    labels: bool,
    kafka: bool,
    follow: bool,
    accept_loss: bool,
    as_json: bool,
) -> None:
    """Land FILES, or the topics of Kafka, each record exactly once however often this is run.

    Parquet, NDJSON and CSV, the latter two also .gz or .zst. Records that can't be taken go to the
    quarantine with the reason (`predictflow quarantine list`). An `is_fraud` column makes labels,
    known when their maturity has passed or from `labelled_at` on.

    \b
      predictflow ingest 2026-03-*.ndjson.zst
      predictflow ingest payments.csv --map timestamp=paid_at --map user_id=card
      predictflow ingest chargebacks.csv --labels
      predictflow ingest --kafka --follow
    """
    if kafka == bool(files) or ((labels or maps) and kafka):
        raise click.UsageError("give FILES (with --map, --labels) or --kafka, one of both")
    if (follow or accept_loss) and not kafka:
        raise click.UsageError("--follow and --accept-loss go with --kafka")
    if not kafka:
        from fraud_platform.commands.ingest import run_ingest  # noqa: PLC0415

        run_ingest(files, maps, labels=labels, as_json=as_json)
        return
    from fraud_platform.commands.ingest_kafka import run_follow, run_to_end  # noqa: PLC0415

    (run_follow if follow else run_to_end)(accept_loss=accept_loss, as_json=as_json)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="File to write.")
@click.option("--kafka", "to_kafka", is_flag=True, help="Send to the topics of the settings.")
@click.option("--start", type=DAY, default="2026-03-01", show_default=True, help="First day.")
@click.option("--days", default=46, show_default=True)
@click.option("--users", default=1_500, show_default=True)
@click.option("--merchants", default=400, show_default=True)
@click.option("--per-day", default=8_000, show_default=True, help="Transactions a day, on average.")
@click.option("--fraud-share", default=0.01, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--rate", type=POSITIVE, help="With --kafka: so many a second, paid now.")
@click.option("--seconds", type=POSITIVE, help="With --rate: for so long; else until stopped.")
@click.option("--label-delay", type=POSITIVE, help="With --rate: seconds to the label; 30 if none.")
@as_json
def simulate(start: datetime, rate: float | None, as_json: bool, **options: Any) -> None:
    """Make a simulated world's transactions, with their labels, in a file or in Kafka.

    The same options always give the same transactions. The file's format follows its name:
    .parquet, .ndjson or .csv. With --rate they are paid now, under ids that no other run gives,
    and their days are not those of --start and --days.

    \b
      predictflow simulate --out world.parquet
      predictflow simulate --kafka --days 3
      predictflow simulate --kafka --rate 50 --label-delay 10
    """
    from fraud_platform.commands.simulate import run_simulate  # noqa: PLC0415
    from fraud_platform.commands.simulate_kafka import run_live, run_replay  # noqa: PLC0415

    out, to_kafka = options.pop("out"), options.pop("to_kafka")
    live = {name: options.pop(name) for name in ("seconds", "label_delay")}
    if (out is None) == (not to_kafka):
        raise click.UsageError("Give one of --out FILE and --kafka.")
    if not to_kafka and rate is not None:
        raise click.UsageError("--rate goes with --kafka.")
    if rate is None and any(value is not None for value in live.values()):
        raise click.UsageError("--seconds and --label-delay go with --rate.")
    if not to_kafka:
        run_simulate(out, start.date(), options, as_json=as_json)
    elif rate is None:
        run_replay(start.date(), options, as_json=as_json)
    else:
        run_live(rate, options, as_json=as_json, **live)


@main.command()
@click.option("--from", "start", type=DAY, required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "end", type=DAY, required=True, help="Last day, YYYY-MM-DD.")
@click.option("--select", help="Assets by name with commas, or in Dagster's selection syntax.")
@as_json
def materialize(start: datetime, end: datetime, select: str | None, as_json: bool) -> None:
    """Make the assets of a range of days.

    Tables and features of the whole range are made in one run with one pass over the data. Without
    --select the model, its report and the deployment are made for the last day alone; with it they
    are made for each day that is asked for, oldest first.

    \b
      predictflow materialize --from 2026-03-01 --to 2026-04-14
      predictflow materialize --from 2026-04-14 --to 2026-04-14 --select fraud_model+
      predictflow materialize --from 2026-04-01 --to 2026-04-14 --select "group:tables"
    """
    from fraud_platform.commands.materialize import run_materialize  # noqa: PLC0415

    run_materialize(_day(start), _day(end), select, as_json=as_json)


@main.command()
@click.option("--host", help="Address to listen on; as set by default.")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one; as set by default.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that answer; as set by default."
)
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Answer predictions over HTTP with the model that was deployed last."""
    from fraud_platform.commands.serve import run_serve  # noqa: PLC0415

    run_serve(host, port, workers)


@main.command()
@click.option("--gather", is_flag=True, help="Gather the figures too, where no daemon does.")
def exporter(gather: bool) -> None:
    """Show Prometheus the platform's figures, until SIGTERM.

    Days, tables, drift, quality, the live model and the gate, as the sensor platform_figures of
    Dagster's daemon gathers them each minute. On a machine without a daemon, give --gather.

    \b
      predictflow exporter
      predictflow exporter --gather
    """
    from fraud_platform.commands.exporter import run_exporter  # noqa: PLC0415

    run_exporter(gather=gather)


@main.command()
@as_json
def doctor(as_json: bool) -> None:
    """Say what is configured, what is reachable and what is stale; status 1 if something is wrong.

    A stale day is no fault of the installation: it is shown, and does not change the status.
    """
    from fraud_platform.commands.doctor import run_doctor  # noqa: PLC0415

    run_doctor(as_json=as_json)


def _day(moment: datetime) -> date:
    return moment.date()
