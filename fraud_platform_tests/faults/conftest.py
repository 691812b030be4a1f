"""What the faults of the service need: a model, states, and processes that are ended."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from fraud_platform.settings import Settings
from fraud_platform_tests.serving.conftest import contexts, deploy, models, transaction
from fraud_platform_tests.serving.process import Process

__all__ = ["contexts", "deploy", "models", "run", "transaction"]


@pytest.fixture
def run() -> Iterator[Callable[[Settings], Process]]:
    """Starts processes of the service; each is ended by its own id."""
    processes: list[Process] = []

    def run(settings: Settings) -> Process:
        processes.append(Process(settings))
        return processes[-1]

    yield run
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.stop()
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()
