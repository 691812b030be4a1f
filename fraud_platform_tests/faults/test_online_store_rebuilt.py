"""Row 13: a flushed online store is rebuilt from the lake bit for bit; meanwhile it degrades."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from msgspec.structs import replace

from fraud_platform.clock import day_start_us, from_us
from fraud_platform.commands.online import rebuild
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Serving, Settings, load_settings
from fraud_platform_tests.faults.test_online_store_lost import Asker
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.valkey_server import Valkey
from fraud_platform_tests.world import LAST

END = from_us(day_start_us(LAST + timedelta(days=1)))


def test_a_flushed_store_is_rebuilt_bit_for_bit(
    tables: Lake,
    valkey: Valkey,
    deploy: Deploy,
    run: Callable[[Settings], Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_ONLINE_STORE", "redis")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_REDIS_URL", valkey.url)
    settings = replace(load_settings(), serving=Serving(repeat_seconds=0))
    rebuild(settings, END)
    kept = dump(valkey)
    assert len(kept) > 80
    deploy(settings)
    asker = Asker(run(settings), known_payment(tables))
    before = asker.until(degraded=False)

    valkey.flush()
    assert asker.until(degraded=True)["degraded_reason"].startswith("the online store is not there")
    rebuild(settings, END)

    assert asker.until(degraded=False) == before
    assert dump(valkey) == kept
    asker.close()


def known_payment(lake: Lake) -> dict[str, object]:
    """A payment of somebody of whom the store knows much, on the day after the last."""
    row = lake.read(RAW_TRANSACTIONS, LAST, LAST + timedelta(days=1)).row(-1, named=True)
    return {
        "transaction_id": "next",
        "timestamp": (END + timedelta(minutes=5)).isoformat(),
        "user_id": row["user_id"],
        "merchant_id": row["merchant_id"],
        "device_id": row["device_id"],
        "amount": 12.5,
    }


def dump(valkey: Valkey) -> dict[bytes, dict[bytes, bytes]]:
    """Every key of the store with its fields."""
    with redis.Redis.from_url(valkey.url) as client:
        found: dict[bytes, dict[bytes, bytes]] = {
            key: client.hgetall(key)  # pyright: ignore[reportAssignmentType]
            for key in client.scan_iter()
        }
    return found
