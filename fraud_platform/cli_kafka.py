"""`predictflow topics`, `predictflow kafka` and `predictflow stream`."""

import click

from fraud_platform.cli_options import POSITIVE, as_json


@click.group()
def topics() -> None:
    """The Kafka topics of the settings."""


@topics.command("create")
@click.option("--partitions", type=click.IntRange(1), default=6, show_default=True)
@click.option(
    "--replication", type=click.IntRange(1), help="Copies of a record; the brokers' default."
)
@click.option("--retention-days", type=POSITIVE, default=7, show_default=True)
@as_json
def topics_create(
    partitions: int, replication: int | None, retention_days: float, as_json: bool
) -> None:
    """Make the topics of transactions, of labels and of predictions.

    A topic that is there already is left as it is; where it differs from the options, that is said.
    """
    from fraud_platform.commands.topics import run_create  # noqa: PLC0415

    run_create(partitions, replication, retention_days, as_json=as_json)


@click.group()
def kafka() -> None:
    """An Apache Kafka broker on this machine, for trying out."""


@kafka.command("up")
@click.option("--port", type=click.IntRange(1, 65535), default=9092, show_default=True)
def kafka_up(port: int) -> None:
    """Start a broker on 127.0.0.1 with its data in the data directory.

    Needs Java 17 and, the first time, Maven, which fetches it. It goes on when this command ends.
    """
    from fraud_platform.commands.kafka import run_up  # noqa: PLC0415

    run_up(port)


@kafka.command("down")
def kafka_down() -> None:
    """Stop the broker that `kafka up` has started; its data stay."""
    from fraud_platform.commands.kafka import run_down  # noqa: PLC0415

    run_down()


@click.command()
@click.option("--until-caught-up", is_flag=True, help="End when all that is there now is written.")
@as_json
def stream(until_caught_up: bool, as_json: bool) -> None:
    """Keep each user's recent events in the online store, as their transactions come from Kafka.

    Goes on until SIGTERM. Several of these share the topic's partitions. Needs the setting
    online.recent_by = "stream", so that the daily asset leaves these rows alone.

    \b
      PREDICTFLOW_ONLINE_RECENT_BY=stream predictflow stream
    """
    from fraud_platform.commands.stream import run_stream  # noqa: PLC0415

    run_stream(until_caught_up=until_caught_up, as_json=as_json)
