"""A small OAuth 2.0 token server."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote_plus


class TokenServer:
    """Answers what `answer` gives, on loopback, while the block runs.

    `password` is the only one that it lets in, None any; `status` is that of its answers, and
    `requests` are the forms that came.
    """

    def __init__(
        self, answer: Callable[[], object], password: str | None = None, status: int = 200
    ) -> None:
        self.requests: list[Mapping[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic "))
                user, _, given = map(unquote_plus, login.decode().partition(":"))
                fields = {name: values[0] for name, values in parse_qs(form).items()}
                outer.requests.append({**fields, "user": user})
                if password not in (None, given):
                    self._send(401, {"error": "invalid_client"})
                else:
                    self._send(status, answer())

            def _send(self, code: int, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object, **__: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
