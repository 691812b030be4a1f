"""One Feast store with a row of each kind, shared by the tests that only read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_repo.write import write_view
from fraud_platform.features.state import (
    MERCHANT_LABELS,
    USER_DAILY,
    USER_RECENT,
    MerchantLabels,
    State,
    UserDaily,
    UserRecent,
)
from fraud_platform.settings import Settings

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
LEAST, MOST = -(2**63), 2**63 - 1


@pytest.fixture(scope="session")
def rows() -> dict[str, dict[str, State]]:
    """What each view holds, by entity id; the ids are such as somebody will send one day."""
    recent = UserRecent(
        timestamps_us=[-5, 0, MOST],
        amounts_cents=[1, 100_000_000, 50],
        device_hashes=[0, LEAST, MOST],
        transaction_hashes=[7, -7, 1],
    )
    daily = UserDaily(as_of_us=9, last_timestamp_us=-9, device_hashes=[LEAST], device_last_us=[3])
    odd_ids = [
        "用户 7",
        "nul\x00id",
        "quote'\"id",
        "é" * 64,
        "e\u0301",
        "\u00e9",
        "🂡",
        " ",
        "%_;--",
    ]
    odd: dict[str, State] = {
        user: UserRecent(
            timestamps_us=[i], amounts_cents=[i], device_hashes=[i], transaction_hashes=[i]
        )
        for i, user in enumerate(odd_ids)
    }
    return {
        "user_recent": odd | {"plain": recent, "empty": UserRecent()},
        "user_daily": {"plain": daily, "empty": UserDaily(), "nul\x00id": daily},
        "merchant_labels": {"plain": MerchantLabels(as_of_us=LEAST, labels=MOST, frauds=0)},
    }


@pytest.fixture(scope="session")
def written(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, dict[str, State]]
) -> Settings:
    """Settings of a data directory whose online store holds `rows`."""
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("data")))
    for view in (USER_RECENT, USER_DAILY, MERCHANT_LABELS):
        write_view(settings, view, rows[view.name], AS_OF)
    return settings
