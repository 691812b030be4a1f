"""Who may ask the service: keys, scopes, and the file that they are in while it runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError
from fraud_platform.keys import Scope, create_key, read_keys, revoke_key, rotate_key
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.keyed import SCOPES, bearer, id_of, key
from fraud_platform_tests.serving.parts import GOOD, Client, Deploy, Start, eventually
from serving.key_ring import KeyInfo, KeyRing, check_hosts
from serving.problems import MEDIA_TYPE

OPEN_PATHS = {"/health/live", "/health/ready"}
"""What is answered without a key, beside all below /schema."""

Run = Callable[[Settings], Client]


@pytest.fixture
def running(start: Start) -> Iterator[Run]:
    """Runs apps until the test's end."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(start(settings))


def asks(client: Client, given: str | None, path: str = "/predict") -> int:
    """The status of a good request with that key."""
    headers = {} if given is None else bearer(given)
    if path == "/predict":
        return client.post(path, json=GOOD, headers=headers).status_code
    return client.get(path, headers=headers).status_code


def knows(client: Client, given: str) -> bool:
    """Whether the app takes a key, without asking: wrong keys are limited."""
    ring: KeyRing = client.app.state["service"].keys
    return isinstance(ring.find(given.encode(), time.time()), KeyInfo)


def test_each_scope_opens_its_paths_and_admin_all(
    settings: Settings, deploy: Deploy, running: Run
) -> None:
    deploy(settings)
    keys: dict[Scope, str] = {scope: key(settings, scope) for scope in SCOPES}
    client = running(settings)
    paths = ("/predict", "/model", "/metrics")

    found = {scope: tuple(asks(client, keys[scope], path) for path in paths) for scope in SCOPES}

    assert found == {
        "predict": (200, 403, 403),
        "model:read": (403, 200, 403),
        "admin": (200, 200, 200),
    }
    answer = client.get("/metrics", headers=bearer(keys["predict"]))
    assert answer.json()["type"] == "urn:predictflow:problem:scope-missing"
    assert 'error="insufficient_scope", scope="admin"' in answer.headers["www-authenticate"]


def test_every_path_but_the_open_ones_asks_for_a_key(settings: Settings, running: Run) -> None:
    key(settings)
    client = running(settings)
    asked = [
        (method, route.path)
        for route in client.app.routes
        for handler in route.route_handlers
        if isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods - {"OPTIONS"}
    ]
    closed = {
        (method, path)
        for method, path in asked
        if path not in OPEN_PATHS and not path.startswith("/schema")
    }

    refused = {one for one in asked if client.request(*one).status_code == 401}

    assert refused == closed
    assert {("POST", "/predict"), ("GET", "/model"), ("GET", "/metrics")} <= closed


def test_a_key_comes_in_either_header(settings: Settings, deploy: Deploy, running: Run) -> None:
    deploy(settings)
    good = key(settings)
    client = running(settings)

    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/predict", json=GOOD, headers=named).status_code

    assert status(Authorization=f"Bearer {good}") == 200
    assert status(authorization=f"bearer  {good}") == 200
    assert status(X_API_Key=good) == 200
    assert status(X_API_Key=good, Authorization="Basic dTpw") == 200
    assert status(Authorization=f"Basic {good}") == 401
    assert status(Authorization=good) == 401


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:-1] + ("0" if good[-1] != "0" else "1"),
        lambda good: good + "0",
        lambda good: good[:-1],
        lambda good: good.upper(),
        lambda good: good.replace(id_of(good), "00000000"),
        lambda good: good.replace("pf_", "pg_"),
        lambda good: f"pf_{id_of(good)}_",
        lambda _: "",
        lambda _: "é".encode().decode("latin-1"),
        lambda _: "x" * 8_000,
    ],
)
def test_a_key_that_is_none_is_refused(
    settings: Settings, running: Run, spoil: Callable[[str], str]
) -> None:
    good = key(settings)
    client = running(settings)

    answer = client.post(
        "/predict", json=GOOD, headers={b"x-api-key": spoil(good).encode("latin-1")}
    )

    assert answer.status_code == 401
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="predictflow", error="invalid_token"'
    )
    assert answer.json()["detail"] == "The key that was sent is not known"
    assert good[12:] not in answer.text


def test_no_key_at_all_is_told_how_to_send_one(settings: Settings, running: Run) -> None:
    key(settings)
    answer = running(settings).post("/predict", json=GOOD)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="predictflow"'
    assert "Authorization: Bearer KEY" in answer.json()["detail"]


def test_a_secret_is_taken_until_its_end(settings: Settings, tmp_path: Path) -> None:
    made, first = create_key(settings.keys_file, "a", ("predict",), days=10)
    _, second = rotate_key(settings.keys_file, made.id, grace_hours=2)
    _, third = rotate_key(settings.keys_file, made.id, grace_hours=5)
    ring = KeyRing(settings, tmp_path)

    def taken(given: str, **after: float) -> bool | str:
        moment = datetime.now(UTC) + timedelta(**after)
        found = ring.find(given.encode(), moment.timestamp())
        return found if isinstance(found, str) else found.id == made.id

    assert [taken(one) for one in (first, second, third)] == [True, True, True]
    assert [taken(one, hours=3) for one in (first, second, third)] == ["expired", True, True]
    assert [taken(one, hours=6) for one in (first, second, third)] == ["expired", "expired", True]
    assert taken(third, days=9.9) is True
    assert taken(third, days=10.1) == "expired"


def test_without_grace_the_former_secret_ends_at_once(settings: Settings, tmp_path: Path) -> None:
    former = key(settings)
    _, now = rotate_key(settings.keys_file, id_of(former), grace_hours=0)
    ring = KeyRing(settings, tmp_path)

    assert ring.find(former.encode(), time.time()) == "unknown"
    assert not isinstance(ring.find(now.encode(), time.time()), str)


def test_what_is_made_or_revoked_holds_in_the_running_service_within_two_seconds(
    settings: Settings, deploy: Deploy, running: Run
) -> None:
    deploy(settings)
    client = running(replace(settings, serving=Serving()))
    assert asks(client, None) == 200  # there are no keys yet

    first = key(settings)
    assert eventually(lambda: asks(client, None) == 401, 2.0)
    assert asks(client, first) == 200
    second = key(settings)
    assert eventually(lambda: knows(client, second), 2.0)
    assert asks(client, second) == 200
    revoke_key(settings.keys_file, id_of(second))
    assert eventually(lambda: not knows(client, second), 2.0)
    answer = client.post("/predict", json=GOOD, headers=bearer(second))
    assert answer.json()["detail"] == "The key that was sent was revoked"
    assert asks(client, first) == 200


def broken(path: Path) -> None:
    path.write_text('{"keys": [{"id": ')


def of_another_version(path: Path) -> None:
    path.write_text('{"keys": [], "version": 2}')


def with_one_id_twice(path: Path) -> None:
    content = path.read_text()
    entry = content[content.index("[") + 1 : content.rindex("]")]
    path.write_text(content.replace(entry, f"{entry},{entry}"))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil", [broken, of_another_version, with_one_id_twice, a_directory, Path.unlink]
)
def test_a_file_that_breaks_or_goes_leaves_the_keys_of_before(
    settings: Settings, deploy: Deploy, running: Run, spoil: Callable[[Path], None]
) -> None:
    deploy(settings)
    good = key(settings, "admin")
    client = running(settings)
    spoil(settings.keys_file)

    def reasons() -> str:
        return str(client.get("/health/ready", headers=bearer(good)).json()["reasons"])

    assert eventually(lambda: "the keys of before hold" in reasons())
    assert asks(client, good) == 200
    assert asks(client, None) == 401

    if settings.keys_file.is_dir():
        settings.keys_file.rmdir()
    settings.keys_file.unlink(missing_ok=True)
    other = key(settings)
    assert eventually(lambda: knows(client, other))
    assert (asks(client, other), asks(client, good)) == (200, 401)


@pytest.mark.parametrize("spoil", [broken, Path.unlink])
def test_a_worker_that_starts_without_the_file_has_the_keys_of_the_others(
    settings: Settings, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    good = key(settings)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    KeyRing(settings, runtime)
    spoil(settings.keys_file)

    late = KeyRing(settings, runtime)

    assert late.required
    assert late.fault is not None
    assert not isinstance(late.find(good.encode(), time.time()), str)
    assert (runtime / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_service_does_not_start_on_a_broken_file(settings: Settings, tmp_path: Path) -> None:
    broken(settings.keys_file)

    with pytest.raises(PredictFlowError, match="put back a copy of it"):
        KeyRing(settings, tmp_path)


def test_a_worker_of_an_exposed_service_does_not_start_without_the_file(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(PredictFlowError, match="is not there"):
        KeyRing(replace(settings, serving=Serving(host="::")), tmp_path)


def test_a_file_without_a_key_opens_nothing(settings: Settings, tmp_path: Path) -> None:
    settings.keys_file.write_text('{"keys": []}')

    assert KeyRing(settings, tmp_path).required


def test_readiness_shows_its_inside_to_who_has_a_key_alone(
    settings: Settings, running: Run
) -> None:
    good = key(settings)
    client = running(settings)

    bare = client.get("/health/ready")
    assert (bare.status_code, bare.json()) == (503, {"ready": False})
    assert client.get("/health/ready", headers=bearer("pf_wrong")).json() == {"ready": False}
    assert str(settings.data_dir) in client.get("/health/ready", headers=bearer(good)).text
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("host", "admin_port", "admin_host", "name"),
    [
        ("0.0.0.0", None, "127.0.0.1", "serving.host: 0.0.0.0"),
        ("::", None, "127.0.0.1", "serving.host: ::"),
        ("fraud.internal", None, "127.0.0.1", "serving.host: fraud.internal"),
        ("127.0.0.1", 0, "10.0.0.1", "serving.admin_host: 10.0.0.1"),
        ("127.0.0.1", None, "10.0.0.1", None),
        ("127.9.9.9", None, "127.0.0.1", None),
        ("::1", 0, "localhost", None),
    ],
)
def test_without_keys_only_this_machine_is_listened_to(
    settings: Settings, host: str, admin_port: int | None, admin_host: str, name: str | None
) -> None:
    serving = Serving(host=host, admin_port=admin_port, admin_host=admin_host)
    settings = replace(settings, serving=serving)

    if name is not None:
        with pytest.raises(PredictFlowError, match="predictflow keys create") as error:
            check_hosts(settings)
        assert f"setting {name} is no loopback address" in str(error.value)
        key(settings)
    check_hosts(settings)


def test_the_file_holds_no_secret_and_only_its_owner_reads_it(settings: Settings) -> None:
    secrets = [key(settings) for _ in range(3)]

    content = settings.keys_file.read_text()
    assert not any(secret[12:] in content for secret in secrets)
    assert settings.keys_file.stat().st_mode & 0o777 == 0o600
    assert [one.id for one in read_keys(settings.keys_file)] == [id_of(one) for one in secrets]
