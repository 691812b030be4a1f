"""Whatever is sent to a running service, the answer is a decision or says what is wrong; never 5xx.

What is sent is bytes on a socket, as no HTTP library would send most of it.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process
from serving.problems import BODY_LIMIT
from serving.server import HEAD_LIMIT

GOOD = b'{"transaction_id":"t","user_id":"u","merchant_id":"m","amount":1.5}'


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, deploy: Deploy) -> Iterator[Process]:
    """A service with a model and no online store."""
    data_dir = tmp_path_factory.mktemp("fuzzed")
    settings = Settings(data_dir=data_dir, serving=Serving(poll_seconds=0.05))
    deploy(settings)
    process = Process(settings)
    yield process
    process.stop()


def request(
    body: bytes = GOOD,
    *headers: bytes,
    path: bytes = b"/predict",
    method: bytes = b"POST",
    length: bytes | None = None,
) -> bytes:
    """The bytes of a request; its length is announced truly unless another one is given."""
    announced = b"Content-Length: %d" % len(body) if length is None else length
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", *headers, announced]
    return b"\r\n".join(line for line in lines if line) + b"\r\n\r\n" + body


def field(name: bytes, raw: bytes) -> bytes:
    """A good body with one field's text replaced."""
    fields = {b"transaction_id": b'"t"', b"user_id": b'"u"', b"merchant_id": b'"m"'}
    fields |= {b"amount": b"1.5", name: raw}
    return b"{" + b",".join(b'"%s":%s' % one for one in fields.items()) + b"}"


def answer(process: Process, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer to these bytes."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before it had all of it
            connection.sendall(sent)
        with connection.makefile("rb") as file:
            status = int(file.readline().split()[1])
            headers = {}
            while (line := file.readline().strip()) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            head = sent.startswith(b"HEAD")
            body = b"" if head else file.read(int(headers.get("content-length", 0)))
    return status, headers, body


# What is sent, the status that has to come, and the field that has to be named.
REFUSED: dict[str, tuple[bytes, int, str | None]] = {
    "Infinity": (request(field(b"amount", b"Infinity")), 400, "body"),
    "NaN": (request(field(b"amount", b"NaN")), 400, "body"),
    "1e308": (request(field(b"amount", b"1e308")), 400, "amount"),
    "1e999": (request(field(b"amount", b"1e999")), 400, "amount"),
    "an integer of 60,000 digits": (request(field(b"amount", b"9" * 60_000)), 400, "amount"),
    "another of them": (request(field(b"user_id", b"-" + b"9" * 60_000)), 400, "user_id"),
    "an array 60,000 deep": (request(b"[" * 60_000), 400, "body"),
    "an unknown field 30,000 deep": (
        request(field(b"x", b"[" * 30_000 + b"]" * 30_000)),
        400,
        "body",
    ),
    "half a surrogate pair": (request(field(b"user_id", rb'"\ud800"')), 400, "body"),
    "bytes that are no UTF-8": (request(field(b"user_id", b'"\xff"')), 400, "body"),
    "a byte order mark": (request(b"\xef\xbb\xbf" + GOOD), 400, "body"),
    "UTF-16": (request(GOOD.decode().encode("utf-16")), 400, "body"),
    "nothing": (request(b""), 400, "body"),
    "an id of 5,000 characters": (
        request(field(b"user_id", b'"' + b"u" * 5_000 + b'"')),
        400,
        "user_id",
    ),
    "a number for an id": (request(field(b"user_id", b"17")), 400, "user_id"),
    "a query that is no UTF-8": (request(path=b"/predict?reasons=%ff"), 400, "reasons"),
    "a megabyte": (request(b" " * 1_000_000), 413, "body"),
    "a byte too many": (request(GOOD.ljust(BODY_LIMIT + 1)), 413, "body"),
    "a length of ten megabytes": (request(length=b"Content-Length: 10000000"), 413, "body"),
    "chunks that are too many": (
        request((b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3, length=b"Transfer-Encoding: chunked"),
        413,
        "body",
    ),
    "another media type": (request(GOOD, b"Content-Type: text/plain"), 415, "Content-Type"),
    "another charset": (
        request(GOOD, b"Content-Type: application/json; charset=utf-16"),
        415,
        "Content-Type",
    ),
    "a media type that is no text": (request(GOOD, b"Content-Type: \xff\xfe"), 415, "Content-Type"),
    "a compressed body": (request(GOOD, b"Content-Encoding: gzip"), 415, "Content-Encoding"),
    "an unknown path": (request(path=b"/nowhere"), 404, "path"),
    "a path that is no UTF-8": (request(path=b"/%ff%ED%A0%80"), 404, "path"),
    "a path with a bad escape": (request(path=b"/predict%zz"), 404, "path"),
    "a path with NUL": (request(path=b"/predict%00"), 404, "path"),
    "a path out of the page": (
        request(b"", path=b"/schema/page/..%2f..%2fetc%2fpasswd", method=b"GET"),
        404,
        "path",
    ),
    "another method": (request(method=b"TRACE"), 405, "method"),
}
BROKEN = {
    "two lengths": request(GOOD, b"Content-Length: 5"),
    "a length and chunks": request(GOOD, b"Transfer-Encoding: chunked"),
    "a negative length": request(length=b"Content-Length: -5"),
    "a length that is no number": request(length=b"Content-Length: many"),
    "a chunk that is none": request(b"zz\r\n", length=b"Transfer-Encoding: chunked"),
    "a header with NUL": request(GOOD, b"X-A: a\x00b"),
    "a folded header": request(GOOD, b"X-A: a\r\n b"),
    "a method that is none": request(method=b"BREW"),
    "a path that is not escaped": request(path="/é".encode()),
    "headers over the limit": b"GET / HTTP/1.1\r\nX-A: " + b"a" * (HEAD_LIMIT + 1),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100 + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
TAKEN = {
    "chunks": request(
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD), length=b"Transfer-Encoding: chunked"
    ),
    "the most bytes": request(GOOD.ljust(BODY_LIMIT)),
    "a charset in quotes": request(GOOD, b'Content-Type: application/json; charset="UTF-8"'),
    "an id with NUL": request(field(b"user_id", rb'"\u0000"')),
    "an unknown field": request(field(b"other", b'{"a":[1,null]}')),
    "a header that is no text": request(GOOD, b"X-A: \xff"),
    "HTTP/1.0": request().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an escaped path": request(path=b"/%70redict"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_contract_is_refused_with_a_problem(process: Process, name: str) -> None:
    sent, expected, field_at_fault = REFUSED[name]
    status, headers, body = answer(process, sent)

    assert (status, headers["content-type"]) == (expected, "application/problem+json")
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["field"] == field_at_fault
    assert problem["expectation"]
    assert len(body) < 1_500


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_http_is_refused_and_the_connection_closed(process: Process, name: str) -> None:
    status, headers, body = answer(process, BROKEN[name])

    assert status == (431 if "headers over" in name else 400)
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert headers["connection"] == "close"


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_odd_but_right_is_decided(process: Process, name: str) -> None:
    status, _, body = answer(process, TAKEN[name])

    assert status == 200
    assert 0 <= json.loads(body)["fraud_probability"] <= 1


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/model", "/metrics", "/status", "/schema"]
)
def test_what_is_asked_with_get_is_asked_with_head(process: Process, path: str) -> None:
    status, headers, _ = answer(process, request(b"", path=path.encode(), method=b"HEAD"))

    assert status == 200
    assert int(headers["content-length"]) > 0


def test_it_still_answers_and_its_log_has_no_fault(process: Process) -> None:
    assert answer(process, request())[0] == 200
    assert '"level":"error"' not in process.log_file.read_text()
