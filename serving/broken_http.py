"""The answer to what is no HTTP request: a problem too, though no application sees it."""

from http import HTTPStatus

import msgspec

from serving.problems import MEDIA_TYPE, Problem


def broken_http(status: HTTPStatus, detail: str) -> bytes:
    """The bytes of an answer after which the connection is closed."""
    problem = Problem(type="about:blank", title=status.phrase, status=status, detail=detail)
    body = msgspec.json.encode(problem)
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        "x-content-type-options: nosniff",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
