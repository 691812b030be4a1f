"""A store that is away, hangs or refuses is one clear error, without the password."""

import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.features.state import VIEWS
from fraud_platform.online import OnlineStore, open_store, redis_store
from fraud_platform.online.feast_format import redis_key
from fraud_platform.settings import Online, Secret, Settings
from fraud_platform_tests.online.rows import a_state
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
RECENT = VIEWS[0]
PASSWORD = "hunter2"
ROWS = {f"u{i}": a_state(RECENT, i) for i in range(50)}

USES: dict[str, Callable[[OnlineStore], object]] = {
    "write": lambda store: store.write(RECENT, ROWS, AS_OF),
    "read": lambda store: store.read([RECENT], ["a"]),
    "contexts": lambda store: store.contexts(["a"], ["m"]),
    "written_as_of": lambda store: store.written_as_of(RECENT),
}


def refusal(online: Online, folder: Path, use: Callable[[OnlineStore], object]) -> PredictFlowError:
    with (
        open_store(Settings(data_dir=folder, online=online)) as store,
        pytest.raises(PredictFlowError) as refused,
    ):
        use(store)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))
    return refused.value


@pytest.mark.parametrize("use", [*USES.values(), lambda store: store.evicts()])
def test_a_redis_that_is_away_is_named(
    use: Callable[[OnlineStore], object], own_valkey: OwnValkeys, tmp_path: Path
) -> None:
    server = own_valkey(PASSWORD)
    server.kill()

    error = refusal(server.online(), tmp_path, use)

    assert isinstance(error, UnavailableError)
    assert f"Redis at 127.0.0.1:{server.port}" in str(error)
    assert "cannot be reached" in str(error)
    assert "start it, or set PREDICTFLOW_ONLINE_REDIS_URL" in str(error)


def test_a_redis_that_hangs_is_given_up(
    own_valkey: OwnValkeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "ANSWER_S", 0.3)
    server = own_valkey(PASSWORD)
    server.hang()
    started = time.monotonic()

    error = refusal(server.online(), tmp_path, USES["write"])
    server.go_on()

    assert isinstance(error, UnavailableError)
    assert "no answer within 0.3 s" in str(error)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("login", [":wrong@", ""], ids=["wrong", "none"])
def test_a_refused_login_says_where_the_password_is_set(
    login: str, own_valkey: OwnValkeys, tmp_path: Path
) -> None:
    server = own_valkey(PASSWORD)

    error = refusal(
        server.online(f"redis://{login}127.0.0.1:{server.port}"), tmp_path, USES["read"]
    )

    assert "the login was refused" in str(error)
    assert "PREDICTFLOW_ONLINE_REDIS_URL" in str(error)
    assert "wrong" not in str(error)


def test_a_redis_out_of_memory_refuses_the_write_and_shows_no_row(
    own_valkey: OwnValkeys, tmp_path: Path
) -> None:
    server = own_valkey(PASSWORD, maxmemory="1mb")
    rows = {f"u{i}": a_state(RECENT, i, length=200) for i in range(2000)}

    error = refusal(server.online(), tmp_path, lambda store: store.write(RECENT, rows, AS_OF))

    assert "it refused (command not allowed when used memory > 'maxmemory'" in str(error)


def test_a_store_flushed_while_it_is_written_does_not_count_as_written(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "BATCH", 10)
    with open_store(valkey.settings(tmp_path)) as store:
        with pytest.raises(UnavailableError, match="was flushed meanwhile"):
            store.write(RECENT, ROWS, AS_OF, lambda done, _: done == 30 and valkey.flush())

        assert store.written_as_of(RECENT) is None
        store.write(RECENT, ROWS, AS_OF)
        assert store.written_as_of(RECENT) == AS_OF


def test_of_two_writers_of_a_view_the_first_is_told(valkey: Valkey, tmp_path: Path) -> None:
    settings = valkey.settings(tmp_path)
    with (
        open_store(settings) as one,
        open_store(settings) as other,
        pytest.raises(UnavailableError, match="another process writes this view"),
    ):
        one.write(RECENT, ROWS, AS_OF, lambda *_: other.write(RECENT, ROWS, AS_OF))


def test_a_restarted_redis_is_used_again_by_the_same_store(
    own_valkey: OwnValkeys, tmp_path: Path
) -> None:
    server = own_valkey(appendonly="yes")
    with open_store(server.settings(tmp_path)) as store:
        store.write(RECENT, ROWS, AS_OF)
        server.kill()
        server.start()

        assert store.read([RECENT], ["u7"]) == [{RECENT.name: ROWS["u7"]}]


def test_every_write_renews_how_long_an_entity_stays(valkey: Valkey, tmp_path: Path) -> None:
    online = Online(store="redis", redis_url=Secret(valkey.url), redis_ttl_days=2)
    key = redis_key("user_id", "u1")
    with (
        open_store(Settings(data_dir=tmp_path, online=online)) as store,
        valkey.client() as client,
    ):
        store.write(RECENT, ROWS, AS_OF)
        assert 2 * 86_400 - 60 < int(str(client.ttl(key))) <= 2 * 86_400
        client.expire(key, 5)
        store.write(RECENT, {"u1": ROWS["u1"]}, AS_OF, whole=False)
        assert int(str(client.ttl(key))) > 86_400

        # Who is gone leaves by itself.
        client.pexpire(key, 1)
        time.sleep(0.05)
        assert store.read([RECENT], ["u1", "u2"]) == [
            {RECENT.name: RECENT.empty},
            {RECENT.name: ROWS["u2"]},
        ]


def test_a_store_in_redis_may_be_used_by_several_threads(valkey: Valkey, tmp_path: Path) -> None:
    with open_store(valkey.settings(tmp_path)) as store:
        store.write(RECENT, ROWS, AS_OF)
        wrong: list[object] = []

        def read() -> None:
            for name, state in list(ROWS.items()) * 3:
                found = store.read([RECENT], [name])
                if found != [{RECENT.name: state}]:
                    wrong.append(found)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []


def test_a_file_that_is_no_database_is_named_with_the_mend(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.online_store.parent.mkdir()
    settings.online_store.write_bytes(b"not a database at all" * 500)

    for use in USES.values():
        error = refusal(Online(), tmp_path, use)
        assert str(settings.online_store) in str(error)
        assert "remove the file" in str(error)
