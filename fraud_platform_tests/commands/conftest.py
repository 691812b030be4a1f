import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fraud_platform.cli import main
from fraud_platform_tests.serving.conftest import models

__all__ = ["models"]

Command = Callable[..., Result]


@pytest.fixture
def command() -> Command:
    """Runs `predictflow` with arguments in this process."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments])

    return run


@pytest.fixture
def document(command: Command) -> Callable[..., dict[str, Any]]:
    """Runs `predictflow` with --json; the document that it prints."""

    def run(*arguments: object) -> dict[str, Any]:
        result = command(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
