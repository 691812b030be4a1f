"""Kafka's own jars, fetched once by Maven, and the Java that runs them."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_platform import progress
from fraud_platform.errors import PredictFlowError, UnavailableError

KAFKA_VERSION = "4.3.1"
_OLDEST_JAVA = 17
_FETCH_SECONDS = 900
_STAGE = f"fetch Apache Kafka {KAFKA_VERSION}"
# Kafka speaks to slf4j 1.7 and brings nothing that writes what it says.
_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>predictflow</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


def cache_folder(data_dir: Path) -> Path:
    """Where fetched programs are kept: `.cache` of the checkout, or of data_dir outside of one."""
    checkout = Path(__file__).parents[2]
    return (checkout if (checkout / "pyproject.toml").is_file() else data_dir) / ".cache"


def fetched_libs(cache: Path) -> Path:
    """The folder of Kafka's jars, fetched into `cache` where they aren't there yet.

    The folder appears under its name only when it is whole. Raises PredictFlowError where Maven is
    missing and UnavailableError where it fails.
    """
    libs = cache / f"kafka-{KAFKA_VERSION}" / "libs"
    if libs.is_dir():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise PredictFlowError(
            f"mvn is not on the PATH: Apache Kafka {KAFKA_VERSION} is fetched by Maven; install it "
            "(Debian: apt-get install maven)"
        )
    java_program()  # which Maven needs too, and would miss with other words
    progress.report(_STAGE, 0, 1)
    libs.parent.mkdir(parents=True, exist_ok=True)
    with _alone(libs.parent), tempfile.TemporaryDirectory(dir=libs.parent) as name:
        staging = Path(name)
        if not libs.is_dir():
            (staging / "pom.xml").write_text(_POM)
            _copy_jars(maven, staging)
            (staging / "libs").rename(libs)
    progress.report(_STAGE, 1, 1)
    return libs


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two Mavens at once would fetch everything twice, into one repository."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _copy_jars(maven: str, folder: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime"]
    command = [maven, "--quiet", "--batch-mode", "--strict-checksums", *goal]
    failed = f"Maven could not fetch Apache Kafka {KAFKA_VERSION}"
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{failed} in {_FETCH_SECONDS} s; try again later") from error
    if done.returncode or not list((folder / "libs").glob("kafka_2.13-*.jar")):
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        why = said[0] if said else done.stderr.strip() or "it said nothing"
        raise UnavailableError(
            f"{failed}: {why}; it needs the network and a repository (~/.m2/settings.xml)"
        )


def java_program() -> str:
    """The java on the PATH; raises PredictFlowError where there is none, or one before 17."""
    mend = f"install Java {_OLDEST_JAVA} or later (Debian: apt-get install openjdk-17-jre-headless)"
    java = shutil.which("java")
    if java is None:
        raise PredictFlowError(f"java is not on the PATH: Apache Kafka runs on it; {mend}")
    said = subprocess.run(  # noqa: S603 - the program just found
        [java, "-version"], capture_output=True, text=True, timeout=60, check=False
    ).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        found = version[1] if version else said.strip() or "of unknown version"
        raise PredictFlowError(
            f"{java} is Java {found}; Apache Kafka {KAFKA_VERSION} needs {_OLDEST_JAVA}; {mend}"
        )
    return java
