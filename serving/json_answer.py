"""An answer whose JSON is there as bytes, sent as it is."""

from litestar.types import Receive, Scope, Send

_REPLAYED = (b"idempotent-replayed", b"true")


class JsonAnswer:
    """ASGI: answers 200 with these bytes; `replayed` where they were given before."""

    __slots__ = ("_body", "_replayed")

    def __init__(self, body: bytes, *, replayed: bool) -> None:
        self._body = body
        self._replayed = replayed

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends the answer."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self._body)),
        ]
        if self._replayed:
            headers.append(_REPLAYED)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
