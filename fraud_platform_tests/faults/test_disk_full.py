"""Row 26: a disk that is full while decisions are logged or events are landed.

Nothing is acknowledged that is not stored, serving goes on, and all of it is there once there is
room again. The disk is a small one of its own (tmpfs), which only root may mount.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.decision_segments import finish_abandoned
from fraud_platform.errors import UnavailableError
from fraud_platform.ingest.decision_landing import land_decisions
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.conftest import stored
from fraud_platform_tests.serving.logged import ask, get, ids, in_files, with_log
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.world import land_files

__all__ = ["stored"]

Run = Callable[[Settings], Process]
EVER = (date.min, date.max)
FULL = "decisions can't be logged: No space left on device"


class Disk:
    """A filesystem of its own, of so many KiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def mount(self, kib: int) -> None:
        options = f"size={kib}k,mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no filesystem can be mounted here: {done.stderr.strip()}")

    def resize(self, kib: int) -> None:
        command = ["mount", "-o", f"remount,size={kib}k", str(self.path)]
        subprocess.run(command, capture_output=True, check=True)

    def fill(self) -> Path:
        """Fills it to the last byte, by one file."""
        path = self.path / "ballast"
        with path.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 1024)
            except OSError:
                return path

    def umount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=False, capture_output=True)


@pytest.fixture
def disk(data_dir: Path) -> Iterator[Callable[[str, int], Disk]]:
    """Mounts a disk at a folder of the data directory."""
    mounted: list[Disk] = []

    def mount(folder: str, kib: int) -> Disk:
        disk = Disk(data_dir / folder)
        disk.mount(kib)
        mounted.append(disk)
        return disk

    yield mount
    for one in mounted:
        one.umount()


@pytest.fixture
def settings(data_dir: Path, stored: Settings) -> Settings:
    """Settings of the data directory, with an online store."""
    shutil.copytree(stored.online_store.parent, data_dir / "feast")
    settings = Settings(data_dir=data_dir)
    return replace(settings, serving=replace(settings.serving, poll_seconds=0.05))


@pytest.mark.parametrize("mode", ["best_effort", "required"])
def test_decisions_on_a_full_disk_are_stored_before_they_are_given_or_after(
    run: Run,
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    disk: Callable[[str, int], Disk],
    mode: str,
) -> None:
    full = disk("decisions", 256)
    deploy(settings)
    process = run(with_log(settings, "required" if mode == "required" else "best_effort"))
    connection = process.connect()
    # About 300 of them fit; it fills up under the service's own hands.
    statuses = {n: ask(connection, transaction, n)[0] for n in range(400)}
    given = {f"tx-{n}" for n, status in statuses.items() if status == 200}
    assert eventually(lambda: get(connection, "/health/ready")[1]["decision_log"] == FULL)
    status, _ = get(connection, "/health/ready")
    there = set(ids(in_files(settings)))

    if mode == "required":
        assert set(statuses.values()) == {200, 503}
        assert status == 503
        assert given <= there
    else:
        assert set(statuses.values()) == {200}
        assert status == 200
        assert len(there) < 400

    full.resize(4096)
    assert eventually(lambda: get(connection, "/health/ready")[1]["decision_log"] == "ok")
    assert ask(connection, transaction, "after")[0] == 200
    connection.close()
    assert process.stop()[0] == 0
    finish_abandoned(settings.decisions_dir)
    lake = Lake(settings.lake_dir)
    land_decisions(settings, lake)
    assert given | {"tx-after"} <= set(ids(in_files(settings, "done/*/*.ndjson")))


def test_landing_decisions_on_a_full_disk_leaves_them_where_they_are_and_lands_them_later(
    run: Run,
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    disk: Callable[[str, int], Disk],
) -> None:
    full = disk("lake", 512)
    deploy(settings)
    process = run(settings)
    connection = process.connect()
    for number in range(5):
        assert ask(connection, transaction, number)[0] == 200
    connection.close()
    process.stop()
    lake = Lake(settings.lake_dir)
    full.fill()

    with pytest.raises(UnavailableError, match="No space left"):
        land_decisions(settings, lake)
    full.resize(8192)
    land_decisions(settings, lake)
    land_decisions(settings, lake)

    landed = lake.read(LANDED_EVENTS, *EVER, columns=["kind", "transaction_id"])
    assert sorted(landed.rows()) == [("prediction", f"tx-{n}") for n in range(5)]


def test_landing_events_on_a_full_disk_says_so_and_goes_on_where_there_is_room(
    world_file: Path, disk: Callable[[str, int], Disk]
) -> None:
    full = disk("lake", 128)
    with pytest.raises(UnavailableError, match="No space left"):
        land_files(world_file)
    full.resize(64 * 1024)
    lake = land_files(world_file)
    again = land_files(world_file)

    rows = lake.read(LANDED_EVENTS, *EVER, columns=["kind", "source_id", "offset"])
    assert rows.is_unique().all()
    assert rows.filter(kind="transaction").height > 4_000
    assert again.read(LANDED_EVENTS, *EVER, columns=["kind"]).height == rows.height
