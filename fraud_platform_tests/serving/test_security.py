"""What every answer carries, what no answer shows, and whose word is taken for an address."""

import logging
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from litestar import Response, get
from litestar.testing import TestClient
from msgspec.structs import replace

from fraud_platform.settings import Secret, Serving, Settings, SettingsError, load_settings
from fraud_platform_tests.serving.keyed import bearer, key
from fraud_platform_tests.serving.parts import GOOD, Client, Start
from serving.access import SECURITY_HEADERS, WRONG_KEYS
from serving.app import create_app
from serving.client_address import client_address, network_of
from serving.log_hash import LogHash


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/metrics", 200),
        ("GET", "/schema/openapi.json", 200),
        ("POST", "/predict", 400),
        ("GET", "/nowhere", 404),
        ("GET", "/predict", 405),
        ("OPTIONS", "/predict", 204),
    ],
)
def test_every_answer_has_the_security_headers(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)

    assert answer.status_code == status
    for name, value in SECURITY_HEADERS:
        assert answer.headers.get_list(name.decode()) == [value.decode()]
    assert not {"server", "x-powered-by"} & {*answer.headers}


def test_a_handler_may_set_its_own_content_security_policy(tmp_path: Path) -> None:
    policy = "default-src 'self'"

    @get("/page", sync_to_thread=False)
    def page() -> Response[str]:
        return Response("", headers={"Content-Security-Policy": policy})

    app = create_app(Settings(data_dir=tmp_path))
    app.register(page)
    with TestClient(app) as client:
        headers = client.get("/page").headers

    assert headers.get_list("content-security-policy") == [policy]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_fault_of_the_service_shows_no_stack_and_has_the_headers(tmp_path: Path) -> None:
    @get("/faulty", sync_to_thread=False)
    def faulty() -> None:
        raise RuntimeError("secret-inside")

    app = create_app(Settings(data_dir=tmp_path))
    app.register(faulty)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/faulty")

    assert answer.status_code == 500
    assert "secret-inside" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["instance"].startswith("urn:predictflow:request:")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_wrong_keys_are_limited_and_a_good_one_from_there_still_passes(
    settings: Settings, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    good = key(settings, "model:read")
    with start(settings) as client:
        wrong = [client.get("/model", headers=bearer(f"pf_{n}")) for n in range(WRONG_KEYS + 10)]
        missing = client.get("/model")
        passing = client.get("/model", headers=bearer(good))

    statuses = [answer.status_code for answer in wrong]
    assert statuses[:WRONG_KEYS] == [401] * WRONG_KEYS
    assert 429 in statuses[WRONG_KEYS : WRONG_KEYS + 2]
    refused = wrong[statuses.index(429)]
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.json()["type"] == "urn:predictflow:problem:too-many-wrong-keys"
    assert (missing.status_code, passing.status_code) == (401, 200)
    said = [record for record in caplog.records if record.message == "wrong_key"]
    assert len(said) == statuses.count(401)
    assert good not in str([vars(record) for record in caplog.records])


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", [], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4, , 10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("fd00::1", ["[2001:db8::7]:80"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["x" * 5_000 + ",203.0.113.9"], "203.0.113.9"),
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(
    peer: str, forwarded: list[str], expected: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = cast("Any", {"client": (peer, 1), "headers": headers})

    assert client_address(scope, PROXIES) == ip_address(expected)
    assert client_address(scope, ()) == client_address(cast("Any", scope | {"headers": []}), ())


def test_a_host_is_counted_by_its_network_where_it_has_many_addresses() -> None:
    assert network_of(ip_address("203.0.113.9")) == "203.0.113.9"
    assert network_of(ip_address("2001:db8::1")) == network_of(ip_address("2001:db8::ffff:1"))
    assert network_of(ip_address("2001:db8::1")) != network_of(ip_address("2001:db8:0:1::1"))


@pytest.mark.parametrize("value", ["10.0.0.0/33", "proxy", "10.0.0.1/8", "10.0.0.0/8;fd00::/8"])
def test_proxies_that_are_no_networks_are_named(tmp_path: Path, value: str) -> None:
    config = tmp_path / "predictflow.toml"
    config.write_text(f'[serving]\ntrusted_proxies = "{value}"\n')
    with pytest.raises(SettingsError, match=r"serving\.trusted_proxies: .*as 10\.0\.0\.0/8"):
        load_settings({}, config)


@pytest.mark.parametrize("keyed", [False, True])
def test_metrics_are_found_on_the_admin_port_alone(
    settings: Settings, keyed: bool, start: Start
) -> None:
    settings = replace(settings, serving=Serving(admin_port=9100))
    headers = bearer(key(settings, "admin")) if keyed else {}
    with start(settings) as client:
        public = client.get("/metrics", headers=headers)
        nowhere = client.get("/nowhere", headers=headers)
        admin = client.get("http://testserver:9100/metrics", headers=headers)
        stranger = client.get("http://testserver:9100/metrics")
        live = client.get("/health/live")

    assert public.status_code == 404
    told = ("type", "title", "status", "detail")
    assert [public.json()[name] for name in told] == [nowhere.json()[name] for name in told]
    assert (admin.status_code, stranger.status_code) == (200, 401 if keyed else 200)
    assert live.status_code == 200


def test_users_in_the_log_are_keyed_hashes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def hashes(secret: str, runtime: str) -> LogHash:
        (tmp_path / runtime).mkdir(exist_ok=True)
        return LogHash(Settings(serving=Serving(log_hash_key=Secret(secret))), tmp_path / runtime)

    # RFC 4231, test case 2
    assert hashes("Jefe", "a").hashed("what do ya want for nothing?") == "5bdcc146bf60754e"
    one, other_worker, other_start = hashes("", "a"), hashes("", "a"), hashes("", "b")
    assert one.hashed("user-1") == other_worker.hashed("user-1") != other_start.hashed("user-1")
    assert one.hashed("user-1") != one.hashed("user-2")
    assert (tmp_path / "a" / "log_hash_key").stat().st_mode & 0o777 == 0o600
    hashes("Jefe", "a").say()
    assert not caplog.records
    one.say()
    assert "PREDICTFLOW_SERVING_LOG_HASH_KEY" in str(vars(caplog.records[0]))


def test_a_body_over_the_limit_is_refused_only_after_the_key(
    settings: Settings, start: Start
) -> None:
    good, body = key(settings), b" " * 70_000
    with start(settings) as client:
        assert client.post("/predict", content=body).status_code == 401
        assert client.post("/predict", content=body, headers=bearer(good)).status_code == 413
        assert client.post("/predict", json=GOOD, headers=bearer(good)).status_code == 503
