"""`predictflow keys`: a key is shown once, kept hashed, rotated and revoked."""

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.keys import create_key, read_keys
from fraud_platform_tests.commands.conftest import Command

KEY = re.compile(r"pf_[0-9a-f]{8}_[0-9a-f]{64}\n")
CREATE = ("keys", "create", "--name", "checkout", "--scope", "predict")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the keys of the test are."""
    monkeypatch.setenv("PREDICTFLOW_SERVING_KEYS_FILE", str(tmp_path / "there" / "keys"))
    return tmp_path / "there" / "keys"


def test_create_prints_the_key_alone_and_keeps_its_hash(command: Command, file: Path) -> None:
    done = command(*CREATE, "--scope", "model:read", "--expires", "90", "--rate", "50")

    assert done.exit_code == 0
    assert KEY.fullmatch(done.stdout)
    assert str(file) in done.stderr
    (kept,) = read_keys(file)
    assert kept.hashes[0].sha256 == hashlib.sha256(done.stdout.strip().encode()).hexdigest()
    assert (kept.name, kept.scopes, kept.rate) == ("checkout", ("predict", "model:read"), 50)
    assert kept.expires is not None
    assert (kept.expires - kept.created).days == 90
    assert done.stdout.strip()[12:] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_list_never_shows_a_secret_or_its_hash(
    command: Command, document: Callable[..., dict[str, Any]], file: Path
) -> None:
    assert "There are no keys" in command("keys", "list").stdout
    secret = command(*CREATE, "--rate", "0.5").stdout.strip()

    shown = command("keys", "list").stdout
    (found,) = document("keys", "list")["keys"]

    assert found["id"] == secret.split("_")[1]
    assert (found["state"], found["rate"], found["scopes"]) == ("valid", 0.5, ["predict"])
    for part in (found["id"], "checkout", "predict", "valid", "never", "0.5/s"):
        assert part in shown
    hidden = (secret[12:], read_keys(file)[0].hashes[0].sha256)
    assert not any(text in shown + json.dumps(found) for text in hidden)


def test_create_and_rotate_give_the_key_in_json(
    command: Command, document: Callable[..., dict[str, Any]]
) -> None:
    made = document(*CREATE)
    assert KEY.fullmatch(made["key"] + "\n")
    rotated = document("keys", "rotate", made["id"], "--grace", "1")

    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert len(rotated["former_secrets_until"]) == 1
    assert "former secret until" in " ".join(command("keys", "list").stdout.split())


def test_revoke_ends_a_key_and_it_cannot_be_rotated(command: Command, file: Path) -> None:
    key_id = command(*CREATE).stdout.split("_")[1]

    first, again = command("keys", "revoke", key_id), command("keys", "revoke", key_id)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert read_keys(file)[0].revoked is not None
    assert "revoked" in command("keys", "list").stdout
    refused = command("keys", "rotate", key_id)
    assert refused.exit_code == 1
    assert "is revoked: make a new one" in refused.stderr


def test_an_expired_key_is_rotated_only_with_new_days(command: Command) -> None:
    key_id = command(*CREATE, "--expires", "1e-9").stdout.split("_")[1]

    refused = command("keys", "rotate", key_id)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "is expired: say --expires DAYS" in refused.stderr
    assert command("keys", "rotate", key_id, "--expires", "1").exit_code == 0
    assert "valid" in command("keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "--name", "a"), "--scope"),
        (("create", "--name", "a", "--scope", "root"), "'root' is not one of"),
        (("create", "--name", "", "--scope", "predict"), "1 to 64 printable"),
        (("create", "--name", "a\nb", "--scope", "predict"), "1 to 64 printable"),
        (("create", "--name", "a", "--scope", "predict", "--expires", "0"), "--expires"),
        (("create", "--name", "a", "--scope", "predict", "--rate", "-1"), "--rate"),
        (("create", "--name", "a", "--scope", "predict", "--rate", "nan"), "--rate"),
        (("create", "--name", "a", "--scope", "predict", "--rate", "inf"), "--rate"),
        (("create", "--name", "a", "--scope", "predict", "--expires", "nan"), "--expires"),
        (("rotate", "00000000", "--grace", "nan"), "--grace"),
        (("rotate", "00000000"), "`predictflow keys list` shows the ids"),
        (("rotate", "00000000", "--grace", "-1"), "--grace"),
        (("revoke", "00000000"), "key '00000000' is not in"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    command: Command, file: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = command("keys", *arguments)

    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert not file.exists()


def test_a_broken_file_is_told_and_left_alone(command: Command, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{")

    for arguments in (CREATE, ("keys", "list"), ("keys", "revoke", "00000000")):
        done = command(*arguments)
        assert done.exit_code == 1
        assert f"keys file {file}: " in done.stderr
    assert file.read_text() == "{"


def test_a_folder_that_cannot_be_written_is_told(command: Command, file: Path) -> None:
    file.parent.write_text("not a folder")

    done = command(*CREATE)

    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing was changed" in done.stderr


def test_keys_that_are_made_at_once_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:  # the lock is between opened files, not processes
        made = list(pool.map(lambda n: create_key(file, f"key {n}", ("predict",)), range(40)))

    assert {key.id for key in read_keys(file)} == {key.id for key, _ in made}
    assert len(made) == len(read_keys(file)) == 40
