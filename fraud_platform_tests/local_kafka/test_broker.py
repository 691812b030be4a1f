"""A local broker keeps its data over every kind of end, and says why it doesn't start."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.local_kafka import KAFKA_VERSION, LocalBroker, cache_folder, free_port
from fraud_platform.local_kafka.distribution import fetched_libs, java_program
from fraud_platform_tests.kafka_broker import CACHE, OwnBrokers, new_topics


@pytest.mark.parametrize("end", [LocalBroker.stop, LocalBroker.kill], ids=["stop", "kill"])
def test_a_broker_starts_again_on_the_same_port_with_its_records(
    own_broker: OwnBrokers, monkeypatch: pytest.MonkeyPatch, end
):
    broker = own_broker()
    topics = new_topics(broker.address, monkeypatch, partitions=1)
    topics.produce("transactions", [b"one", {"two": 2}])
    former = broker.pid
    assert end(broker)
    assert broker.pid is None
    assert not end(broker)
    broker.start()
    assert broker.pid not in (None, former)
    assert [record.value for record in topics.consume("transactions")] == [b"one", b'{"two":2}']


def test_a_start_is_fast(own_broker: OwnBrokers):
    fetched_libs(CACHE)
    begun = time.monotonic()
    own_broker()
    assert time.monotonic() - begun < 30  # about 3 s on an idle machine


def test_a_broker_that_dies_gives_the_end_of_its_log(own_broker: OwnBrokers):
    said = r"(?s)ended with status 1; the end of .*broker.log:.*SSL key store is specified"
    with pytest.raises(PredictFlowError, match=said):
        own_broker(listeners=["TLS:SSL"], properties={"ssl.keystore.location": "/no/keystore"})


def test_a_setting_that_kafka_refuses_is_told_in_its_words(own_broker: OwnBrokers):
    with pytest.raises(PredictFlowError, match=r"never for configuration log.retention.hours") as e:
        own_broker(properties={"log.retention.hours": "never"})
    assert "\n\tat" not in str(e.value)


def test_a_taken_port_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PredictFlowError, match=f"port {port} .*Address already in use"):
            LocalBroker(tmp_path / "kafka", port, CACHE).start()


def test_a_process_of_another_program_is_left_alone(tmp_path: Path):
    broker = LocalBroker(tmp_path, free_port(), CACHE)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (tmp_path / "broker.pid").write_text(str(other.pid))
        assert broker.pid is None
        assert not broker.stop()
        assert other.poll() is None
        other.kill()


def test_the_jars_are_kept_in_the_checkout(tmp_path: Path):
    assert (cache_folder(tmp_path).parent / "pyproject.toml").is_file()


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, but for the shell's own programs."""
    folder = tmp_path / "bin"
    program(folder, "java", "echo 'openjdk version \"17.0.1\"' >&2")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_missing_maven_is_told(tmp_path: Path, programs: Path):
    with pytest.raises(PredictFlowError, match=r"mvn is not on the PATH.*install maven"):
        fetched_libs(tmp_path / "cache")


def test_a_missing_or_old_java_is_told(tmp_path: Path, programs: Path):
    program(programs, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(PredictFlowError, match=r"is Java 11; .* needs 17; install Java 17"):
        java_program()
    (programs / "java").unlink()
    with pytest.raises(PredictFlowError, match="java is not on the PATH"):
        java_program()


@pytest.mark.parametrize(
    "script",
    ["echo '[ERROR] no route to the repository'; exit 1", "exit 0"],
    ids=["fails", "brings nothing"],
)
def test_a_fetch_that_fails_leaves_nothing_that_looks_whole(
    tmp_path: Path, programs: Path, script: str
):
    program(programs, "mvn", script)
    with pytest.raises(UnavailableError, match=f"could not fetch Apache Kafka {KAFKA_VERSION}"):
        fetched_libs(tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*")) == [tmp_path / "cache" / f"kafka-{KAFKA_VERSION}"]


def test_a_fetch_that_is_killed_is_made_again(tmp_path: Path, programs: Path):
    half = "/bin/mkdir -p libs && : > libs/kafka_2.13-9.jar"
    program(programs, "mvn", f"{half} && /bin/sleep 60")
    code = (
        "import sys; from pathlib import Path\n"
        "from fraud_platform.local_kafka.distribution import fetched_libs\n"
        "fetched_libs(Path(sys.argv[1]))"
    )
    cache = tmp_path / "cache"
    with subprocess.Popen([sys.executable, "-c", code, cache], start_new_session=True) as fetching:
        while not list(cache.rglob("*.jar")):
            assert fetching.poll() is None
            time.sleep(0.05)
        os.killpg(fetching.pid, signal.SIGKILL)
    program(programs, "mvn", half)
    libs = fetched_libs(cache)
    assert libs == cache / f"kafka-{KAFKA_VERSION}" / "libs"
    assert [jar.name for jar in libs.iterdir()] == ["kafka_2.13-9.jar"]
