"""Small servers that alerts are sent to: one of HTTP, one of SMTP, and one that never answers."""

import base64
import json
import socket
import socketserver
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast


class _Server:
    """A server of its own thread while the block runs."""

    server: socketserver.TCPServer

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    @property
    def port(self) -> int:
        return self.server.server_address[1]


class HttpServer(_Server):
    """Keeps the JSON documents that are posted to it; answers `status` with `answer`."""

    def __init__(self, port: int = 0, status: int = 200, answer: str = "ok") -> None:
        self.status, self.answer = status, answer
        self.posts: list[tuple[str, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/json"
                outer.posts.append((self.path, json.loads(body)))
                said = outer.answer.encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(said)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object, **__: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        """What Slack would show of each message."""
        return [post["text"] for _, post in self.posts]


class SmtpServer(_Server):
    """A minimal receiver of e-mail (RFC 5321), with STARTTLS or TLS where it has a context.

    It keeps logins, the receivers of each envelope, and what was in it; refuses a `refused`
    receiver, and every login whose password isn't `password`, where one is given.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        implicit: bool = False,
        password: str = "",
        refused: str = "",
    ) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.logins: list[tuple[str, str, bool]] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if tls and implicit:
                    self._encrypt()
                self._say("220 test")
                receivers: list[str] = []
                while line := self.rfile.readline():
                    verb, _, rest = line.decode().strip().partition(" ")
                    match verb.upper():
                        case "EHLO":
                            features = ["test", "AUTH PLAIN", "8BITMIME"]
                            if tls and not implicit and not self._encrypted:
                                features.append("STARTTLS")
                            for one in features[:-1]:
                                self._say(f"250-{one}")
                            self._say(f"250 {features[-1]}")
                        case "STARTTLS":
                            self._say("220 go")
                            self._encrypt()
                        case "AUTH":
                            _, user, given = base64.b64decode(rest.split()[1]).decode().split("\0")
                            outer.logins.append((user, given, self._encrypted))
                            fits = password in ("", given)
                            self._say("235 in" if fits else f"535 {given} is wrong")
                        case "RCPT":
                            taken = refused not in rest or not refused
                            if taken:
                                receivers.append(rest.split("<")[1].split(">")[0])
                            self._say("250 ok" if taken else "550 nobody")
                        case "DATA":
                            self._say("354 go")
                            outer.mails.append((receivers, self._data()))
                            receivers = []
                            self._say("250 kept")
                        case "QUIT":
                            self._say("221 bye")
                            return
                        case _:
                            self._say("250 ok")

            def setup(self) -> None:
                self._encrypted = False
                super().setup()

            def _encrypt(self) -> None:
                assert tls
                self.request = tls.wrap_socket(self.request, server_side=True)
                self._encrypted = True
                super().setup()

            def _data(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return cast(
                    "EmailMessage", message_from_bytes(b"".join(lines), policy=policy.default)
                )

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def finish(self) -> None:
                super().finish()
                self.request.close()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that breaks off is a part of some tests."""

        self.server = Server(("127.0.0.1", 0), Handler)


class HangingServer:
    """Takes connections and never answers; or answers a byte at a time, where it drips."""

    def __init__(self, *, drips: bool = False) -> None:
        self._drips = drips
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take)

    def _take(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self._open.append(connection)
            if self._over.is_set():
                return
            while self._drips and not self._over.wait(0.05):
                try:
                    connection.sendall(b"H")
                except OSError:  # the client has left
                    break

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        for one in (*self._open, self._listener):
            one.close()
