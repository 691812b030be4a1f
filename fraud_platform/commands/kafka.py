"""`predictflow kafka`: a broker on this machine."""

from pathlib import Path

from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.local_kafka import LocalBroker, cache_folder
from fraud_platform.settings import load_settings


def run_up(port: int) -> None:
    broker = _broker(load_settings().data_dir, port)
    running = broker.running_port
    if running not in (None, port):
        raise PredictFlowError(
            f"the broker of {broker.folder} runs on port {running}, not {port}; stop it first: "
            "predictflow kafka down"
        )
    if running is None:
        with console.bars():
            broker.start(detached=True)
    console.console.print(
        f"Apache Kafka {'runs already' if running else 'runs'} on {broker.address} (process "
        f"{broker.pid}), with its data and its log in {broker.folder}\n"
        f"  export PREDICTFLOW_KAFKA_BROKERS={broker.address}\n"
        "  predictflow topics create\n"
        "  predictflow kafka down",
        markup=False,
        soft_wrap=True,
    )


def run_down() -> None:
    broker = _broker(load_settings().data_dir)
    pid = broker.pid
    stopped = broker.stop()
    says = f"stopped (it was process {pid})" if stopped else "there was none"
    console.console.print(f"Kafka broker of {broker.folder}: {says}", markup=False, soft_wrap=True)


def _broker(data_dir: Path, port: int = 0) -> LocalBroker:
    return LocalBroker(data_dir / "kafka", port, cache_folder(data_dir))
