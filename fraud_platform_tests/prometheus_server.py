"""Debian's Prometheus for the tests: its rules' tester, and a server that ends with its test."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fraud_platform.local_kafka import free_port
from fraud_platform_tests.kafka_broker import lacking

DEPLOYED = Path(__file__).parents[1] / "deploy" / "prometheus"
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def needs(program: str) -> str:
    """Where a program of Debian's package `prometheus` is; without it the test is skipped."""
    found = shutil.which(program)
    if found is None:
        lacking(f"no {program} on the PATH; apt-get install prometheus")
    return found


class Prometheus:
    """A server that scrapes some addresses on a free port of this machine; ended by its own id."""

    def __init__(self, folder: Path, targets: dict[str, int], every: str = "400ms") -> None:
        """`targets` are the ports of this machine by job; rules are the ones that are deployed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._log = free_port(), folder / "log"
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": every,
                "evaluation_interval": every,
            },
            "rule_files": [str(DEPLOYED / "rules" / "*.yml")],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for job, port in targets.items()
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        with self._log.open("wb") as log:
            self.popen = subprocess.Popen(
                [needs("prometheus"), *(f"--{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath},
            )

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; None for none, or while it starts."""
        query = urllib.parse.urlencode({"query": expression})
        try:
            with LOOPBACK.open(f"http://127.0.0.1:{self.port}/api/v1/query?{query}") as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it still reads its own log
                raise
            return None
        except urllib.error.URLError:
            assert self.popen.poll() is None, self._log.read_text()
            return None
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def comes_to(
        self, expression: str, holds: Callable[[float | None], bool], seconds: float = 30
    ) -> float | None:
        """The value, once it is as wished; fails with the last one where it never is."""
        end = time.monotonic() + seconds
        while not holds(found := self.value(expression)):
            assert time.monotonic() < end, f"{expression} is {found}: {self._log.read_text()}"
            time.sleep(0.05)
        return found

    def broken_rules(self, seconds: float = 30) -> list[str]:
        """The rules that can't be evaluated on what there is, and why, once all have been tried."""
        end = time.monotonic() + seconds
        rules = self._rules()
        while not rules or any(one["health"] == "unknown" for one in rules):
            assert time.monotonic() < end, rules
            time.sleep(0.05)
            rules = self._rules()
        return [f"{one['name']}: {one['lastError']}" for one in rules if one["health"] != "ok"]

    def _rules(self) -> list[dict[str, Any]]:
        with LOOPBACK.open(f"http://127.0.0.1:{self.port}/api/v1/rules") as answer:
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
