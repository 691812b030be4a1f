"""Bundles in a real S3: published by who promotes, followed by services, never set back."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.commands.promotion import run_publish, run_rollback
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.local_kafka import free_port
from fraud_platform.modelling.bundle import MANIFEST, MODEL
from fraud_platform.modelling.promotion_log import Entry, PromotionRefused, entries
from fraud_platform.modelling.promotions import By, promote, rollback
from fraud_platform.modelling.remote_bundles import POINTER, RemoteBundles
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.s3_server import BUCKET, S3Server
from fraud_platform_tests.serving.parts import GOOD, Client, Deploy, Start, eventually, samples

ANN = By(who="ann", why="it is better")


@pytest.fixture
def here(s3: S3Server, tmp_path: Path) -> Settings:
    """Where models are promoted."""
    return replace(load_settings(), data_dir=tmp_path / "here")


@pytest.fixture
def there(here: Settings, tmp_path: Path) -> Settings:
    """A service elsewhere, with nothing but S3 in common."""
    fast = replace(here.serving, poll_seconds=0.05, repeat_seconds=0)
    return replace(here, data_dir=tmp_path / "there", serving=fast)


@pytest.fixture
def remote(here: Settings) -> RemoteBundles:
    return RemoteBundles(here.serving.bundles_url)


@pytest.fixture
def client(there: Settings, start: Start) -> Iterator[Client]:
    with start(there) as client:
        yield client


def answered_by(client: Client) -> str:
    answer = client.post("/predict", json=GOOD)
    return answer.json().get("model_version", "none")


def pointed(remote: RemoteBundles) -> Entry:
    found = remote.pointer()
    assert found is not None
    return found.entry


def test_a_service_elsewhere_follows_promotions_and_rollbacks(
    client: Client, remote: RemoteBundles, here: Settings, there: Settings, deploy: Deploy
) -> None:
    assert answered_by(client) == "none"
    for version in ("1", "2"):
        deploy(here, version)
        remote.publish(here.bundles_dir)
        assert eventually(lambda wanted=version: answered_by(client) == wanted)
    rollback(here.bundles_dir, ANN)
    remote.publish(here.bundles_dir)
    assert eventually(lambda: answered_by(client) == "1")

    assert client.get("/health/ready").json()["reasons"] == [
        "the online store is not there; scored without history"
    ]
    assert entries(there.bundles_dir) == entries(here.bundles_dir)
    assert samples(client)["fraud_bundles_looks_total,outcome=ok"] >= 3


def test_published_is_the_whole_bundle_and_then_the_pointer(
    s3: S3Server, remote: RemoteBundles, here: Settings, deploy: Deploy
) -> None:
    assert remote.publish(here.bundles_dir) is None
    bundle = deploy(here)
    entry = remote.publish(here.bundles_dir)
    prefix = here.serving.bundles_url.rpartition("/")[2]
    found = s3.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert {one["Key"] for one in found} == {
        f"{prefix}/{bundle.name}/{MODEL}",
        f"{prefix}/{bundle.name}/{MANIFEST}",
        f"{prefix}/{POINTER}",
    }
    before = remote.pointer()
    assert before is not None
    assert before.entry == entry == entries(here.bundles_dir)[-1]
    assert remote.publish(here.bundles_dir) == entry
    assert remote.pointer() == before
    assert remote.pointer(before.etag) is None


def test_a_later_promotion_is_not_overwritten_by_an_older_one(
    remote: RemoteBundles, here: Settings, there: Settings, deploy: Deploy
) -> None:
    for settings in (here, there):
        deploy(settings, "1")
    deploy(here, "2")
    remote.publish(here.bundles_dir)

    with pytest.raises(PromotionRefused, match=r"v1 .*promotion 1.* has promotion 2, v2"):
        remote.publish(there.bundles_dir)

    assert pointed(remote) == entries(here.bundles_dir)[-1]


def test_who_was_overtaken_between_looking_and_writing_is_refused(
    remote: RemoteBundles, here: Settings, there: Settings, deploy: Deploy
) -> None:
    deploy(here, "1")
    deploy(there, "2")

    class Overtaken(RemoteBundles):
        def _put_bundle(self, bundle: Path) -> None:
            super()._put_bundle(bundle)
            remote.publish(here.bundles_dir)

    with pytest.raises(PromotionRefused, match=r"v2 .* was not published: .* promotion 1, v1"):
        Overtaken(there.serving.bundles_url).publish(there.bundles_dir)

    assert pointed(remote).model_version == "1"


def test_of_rivals_at_once_one_is_published_and_the_others_are_told(
    here: Settings, tmp_path: Path, remote: RemoteBundles, deploy: Deploy
) -> None:
    rivals = [replace(here, data_dir=tmp_path / f"rival-{n}") for n in range(4)]
    for n, rival in enumerate(rivals):
        deploy(rival, "1", partition=f"2024-02-{10 + n}")
    told: list[Entry | str | None] = []

    def publish(rival: Settings) -> None:
        try:
            told.append(RemoteBundles(rival.serving.bundles_url).publish(rival.bundles_dir))
        except PromotionRefused as error:
            told.append(str(error))

    threads = [threading.Thread(target=publish, args=[rival]) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [one for one in told if isinstance(one, Entry)]
    assert pointed(remote) == winner
    assert sum("was not published" in str(one) for one in told) == 3


def test_a_rollback_by_hand_is_published_at_once(
    here: Settings,
    remote: RemoteBundles,
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(here.data_dir))
    for version in ("1", "2"):
        deploy(here, version)
    run_rollback("it lets frauds through", as_json=True)
    assert pointed(remote).number == json.loads(capsys.readouterr().out)["number"] == 3


def test_a_promotion_while_s3_is_away_is_published_later_by_hand(
    here: Settings,
    remote: RemoteBundles,
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
    s3: S3Server,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(here.data_dir))
    first, _ = deploy(here, "1"), deploy(here, "2")
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(UnavailableError, match=r"live here .*`predictflow models publish`"):
            run_rollback("away", as_json=True)
    assert remote.pointer() is None
    run_publish(as_json=True)
    assert (pointed(remote).number, pointed(remote).bundle) == (3, first.name)


def test_what_is_wrong_with_s3_is_said_with_the_mend(
    here: Settings, remote: RemoteBundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PredictFlowError, match=r"NoSuchBucket.*see that the bucket is there"):
        RemoteBundles("s3://no-such-bucket").pointer()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(PredictFlowError, match=r"S3 refused .*the credentials may read it"):
        RemoteBundles(here.serving.bundles_url).pointer()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(here.data_dir))
    with pytest.raises(PredictFlowError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        RemoteBundles(here.serving.bundles_url).pointer()


def test_a_log_of_its_own_is_not_mixed_with_anothers(
    here: Settings,
    there: Settings,
    remote: RemoteBundles,
    deploy: Deploy,
    start: Start,
) -> None:
    deploy(here, "1")
    remote.publish(here.bundles_dir)
    deploy(there, "2")
    with start(there) as client:
        refused = "give the service a data_dir of its own"
        assert eventually(lambda: refused in client.get("/health/ready").text)
        assert answered_by(client) == "2"


@pytest.mark.parametrize("url", ["http://bucket/x", "s3://", "s3://Bucket/x", "bucket/x"])
def test_another_url_is_refused_by_the_settings(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTFLOW_SERVING_BUNDLES_URL", url)
    with pytest.raises(PredictFlowError, match=r"serving.bundles_url: .*s3://bucket/prefix"):
        load_settings()


def test_without_a_url_there_is_nowhere_to_publish() -> None:
    with pytest.raises(PredictFlowError, match=r"serving.bundles_url is not set"):
        run_publish(as_json=True)


def test_promoting_what_is_published_already_changes_nothing(
    here: Settings, remote: RemoteBundles, deploy: Deploy
) -> None:
    bundle = deploy(here, "1")
    first = remote.publish(here.bundles_dir)
    promote(here.bundles_dir, bundle, ANN)
    assert remote.publish(here.bundles_dir) == first
