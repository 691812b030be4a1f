"""Row 23: key missing, expired, of another scope, a spoofed X-Forwarded-For; and bodies over the
limit (row 22), all over real connections to a real process."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fraud_platform.keys import create_key, revoke_key
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.keyed import bearer, id_of, key
from fraud_platform_tests.serving.parts import GOOD, Deploy, eventually
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.serving.worker import workers
from serving.access import WRONG_KEYS

Run = Callable[[Settings], Process]
Answer = tuple[int, dict[str, str], str]


@pytest.fixture
def settings(tmp_path: Path, deploy: Deploy) -> Settings:
    """Settings with a model, without an online store."""
    settings = Settings(data_dir=tmp_path)
    deploy(settings)
    return settings


def predict(connection: http.client.HTTPConnection, headers: dict[str, str]) -> Answer:
    """The answer to a good transaction."""
    connection.request("POST", "/predict", json.dumps(GOOD), headers)
    answer = connection.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()


def test_only_a_good_key_of_the_scope_is_answered_and_none_is_logged(
    run: Run, settings: Settings
) -> None:
    good, other_scope = key(settings), key(settings, "model:read")
    expired = create_key(settings.keys_file, "old", ("predict",), days=1e-9)[1]
    revoked = key(settings, "admin")
    revoke_key(settings.keys_file, id_of(revoked))
    process = run(settings)
    assert "without API keys" not in process.ready_line
    connection = process.connect()

    sent = [{}, *map(bearer, (expired, revoked, good[:-1], other_scope, good))]
    answers = [predict(connection, headers) for headers in sent]

    assert [status for status, _, _ in answers] == [401, 401, 401, 401, 403, 200]
    for status, headers, body in answers:
        assert "server" not in headers
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(given[12:] in body for given in (good, other_scope, expired, revoked))
        assert ("www-authenticate" in headers) == (status != 200)
    connection.close()
    assert process.stop()[0] == 0
    log = process.log_file.read_text()
    assert [json.loads(line)["reason"] for line in log.splitlines() if "wrong_key" in line] == [
        "expired",
        "revoked",
        "unknown",
    ]
    assert not any(given[12:] in log for given in (good, other_scope, expired, revoked))


def test_a_key_holds_as_soon_as_it_is_made_and_no_longer_than_it_is_revoked(
    run: Run, settings: Settings
) -> None:
    process = run(settings)
    connection = process.connect()
    assert predict(connection, {})[0] == 200

    good = key(settings)
    assert eventually(lambda: predict(connection, {})[0] == 401, 2.0)
    assert predict(connection, bearer(good))[0] == 200
    settings.keys_file.rename(settings.keys_file.with_name("away"))
    time.sleep(0.3)
    assert [predict(connection, one)[0] for one in ({}, bearer(good))] == [401, 200]
    settings.keys_file.with_name("away").rename(settings.keys_file)
    revoke_key(settings.keys_file, id_of(good))
    assert eventually(lambda: predict(connection, bearer(good))[0] == 401, 2.0)
    connection.close()


def test_a_spoofed_address_gets_nobody_past_the_limit_of_wrong_keys(
    run: Run, settings: Settings
) -> None:
    good = key(settings)
    process = run(settings)
    connection = process.connect()
    began = time.monotonic()

    statuses = [
        predict(connection, bearer(f"pf_{n}") | {"X-Forwarded-For": f"198.51.100.{n}"})[0]
        for n in range(100)
    ]
    allowed = WRONG_KEYS + (time.monotonic() - began) / 5 + 1
    assert statuses[:WRONG_KEYS] == [401] * WRONG_KEYS
    assert set(statuses[WRONG_KEYS:]) <= {401, 429}
    assert statuses.count(401) <= allowed
    assert predict(connection, bearer(good))[0] == 200
    connection.close()
    process.stop()
    assert "198.51.100" not in process.log_file.read_text()


def test_behind_a_trusted_proxy_the_address_is_the_one_that_the_proxy_saw(
    settings: Settings,
) -> None:
    key(settings)
    runtime = settings.data_dir / "runtime"
    with workers(1, settings, runtime, trusted_proxies="127.0.0.0/8") as (port,):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def status(forwarded: str) -> int:
            return predict(connection, bearer("pf_") | {"X-Forwarded-For": forwarded})[0]

        spoofing = [status(f"198.51.100.{n}, 203.0.113.1") for n in range(WRONG_KEYS * 2)]
        other = status("203.0.113.1, 203.0.113.2")
        connection.close()

    assert spoofing[:WRONG_KEYS] == [401] * WRONG_KEYS
    assert 429 in spoofing
    assert other == 401


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_before_it_is_there(
    run: Run, settings: Settings, announced: bool
) -> None:
    process = run(settings)
    length = "Content-Length: 10000000000" if announced else "Transfer-Encoding: chunked"
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"
    sent = b"" if announced else b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        connection.sendall(head.encode() + sent * 2)
        if not announced:
            connection.sendall(b"1\r\n \r\n")  # one byte more than 64 KiB, and no end
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")

    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        body = json.dumps(GOOD).encode()
        good = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(good.encode() + body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
