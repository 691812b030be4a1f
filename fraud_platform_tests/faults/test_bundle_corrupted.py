"""Row 21: a bundle corrupted on the way is refused by its hash, and the old model serves on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fraud_platform.modelling.bundle import MANIFEST, MODEL
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.remote_bundles import POINTER, RemoteBundles
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.s3_server import BUCKET, Proxy, S3Server
from fraud_platform_tests.serving.conftest import start
from fraud_platform_tests.serving.parts import GOOD, Deploy, Start, eventually
from fraud_platform_tests.serving.served import Served

__all__ = ["start"]

Spoil = Callable[[bytes], bytes]
REFUSED = "fraud_bundles_looks_total,outcome=refused"


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3.port)
    yield proxy
    proxy.close()


@pytest.fixture
def here(s3: S3Server, tmp_path: Path) -> Settings:
    """Where models are promoted."""
    return replace(load_settings(), data_dir=tmp_path / "here")


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """The bundles directory of the service, elsewhere."""
    return tmp_path / "there" / "bundles"


@pytest.fixture
def service(
    here: Settings, bundles: Path, proxy: Proxy, s3: S3Server, deploy: Deploy
) -> Iterator[Served]:
    """A service that follows S3 through the proxy and has model 1."""
    publish(here, deploy, "1")
    service = Served(bundles.parent, **s3.environment(proxy.port))
    assert eventually(lambda: service.health()["model_version"] == "1", 30)
    yield service
    service.kill()


def publish(here: Settings, deploy: Deploy, version: str) -> Path:
    bundle = deploy(here, version)
    RemoteBundles(here.serving.bundles_url).publish(here.bundles_dir)
    return bundle


def refused(service: Served, said: str) -> bool:
    return any(said in reason for reason in service.health()["reasons"])


def test_bytes_that_change_on_the_way_are_refused_and_fetched_again(
    service: Served,
    proxy: Proxy,
    here: Settings,
    bundles: Path,
    deploy: Deploy,
    transaction: dict[str, object],
) -> None:
    before = service.ask(transaction)
    proxy.spoil = True
    second = publish(here, deploy, "2")

    assert eventually(lambda: refused(service, "it came damaged"), 30)
    assert service.ask(transaction) == before
    assert service.samples()[REFUSED] >= 1
    assert service.health()["ready"]
    assert second.name not in [path.name for path in bundles.iterdir()]

    proxy.spoil = False
    assert eventually(lambda: service.ask(transaction)["model_version"] == "2", 30)
    assert eventually(lambda: not refused(service, "bundles stay"), 30)
    assert not [path for path in bundles.iterdir() if path.name.startswith(".")]
    assert "remote_bundles_refused" in service.log_file.read_text()


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        (MODEL, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "the manifest says"),
        (MODEL, lambda raw: raw[: len(raw) // 2], "the manifest says"),
        (MANIFEST, lambda raw: raw.replace(b"0.4", b"0.0"), "the manifest says"),
        (MANIFEST, lambda _: b"", "manifest.json is not readable"),
        (POINTER, lambda raw: raw[:-10], "champion.json is not readable"),
        (POINTER, lambda raw: raw.replace(b"2024-02-29-v2", b"../../etc"), "not a bundle's"),
    ],
    ids=["a bit", "half a model", "a threshold", "no manifest", "half a pointer", "a way out"],
)
def test_what_is_corrupt_in_the_bucket_never_goes_live(
    here: Settings,
    bundles: Path,
    s3: S3Server,
    deploy: Deploy,
    start: Start,
    name: str,
    spoil: Spoil,
    said: str,
) -> None:
    publish(here, deploy, "1")
    prefix, client = here.serving.bundles_url.rpartition("/")[2], s3.client()
    fast = replace(here.serving, poll_seconds=0.05, repeat_seconds=0)
    with start(replace(here, data_dir=bundles.parent, serving=fast)) as asked:

        def version() -> str:
            return asked.post("/predict", json=GOOD).json().get("model_version", "none")

        assert eventually(lambda: version() == "1")
        second = deploy(here, "2")
        good = {f"{second.name}/{file}": (second / file).read_bytes() for file in (MODEL, MANIFEST)}
        good[POINTER] = msgspec.json.encode(entries(here.bundles_dir)[-1])
        (key,) = (key for key in good if key.endswith(name))
        bad = spoil(good[key])
        assert bad != good[key]
        for one, raw in (good | {key: bad}).items():
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/{one}", Body=raw)

        assert eventually(lambda: said in asked.get("/health/ready").text)
        assert version() == "1"
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=good[key])
        assert eventually(lambda: version() == "2")


def test_a_bundle_that_was_damaged_here_is_fetched_again_at_the_next_start(
    here: Settings, bundles: Path, deploy: Deploy, start: Start
) -> None:
    name = publish(here, deploy, "1").name
    fast = replace(here.serving, poll_seconds=0.05, repeat_seconds=0)
    there = replace(here, data_dir=bundles.parent, serving=fast)
    with start(there) as asked:
        assert eventually(lambda: asked.post("/predict", json=GOOD).status_code == 200)
    (bundles / name / MODEL).write_bytes(b"damaged")
    with start(there) as asked:
        assert eventually(lambda: asked.post("/predict", json=GOOD).status_code == 200)
