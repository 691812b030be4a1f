"""Feast computes the model's input, to the bit as the platform does, in both stores."""

import itertools
import math
import sqlite3
import struct
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from feature_repo.objects import SERVICE, feast_objects
from feature_repo.store import apply, opened
from feature_repo.write import write_view
from fraud_platform.clock import HOUR_US
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import WindowAggregate
from fraud_platform.features.online import compute_vector
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform_tests.feature_repo.states import AS_OF, AS_OF_US, MERCHANTS, USERS, online_rows
from fraud_platform_tests.features.lake_of import Frames

PAYMENTS = [
    {
        "user_id": user,
        "merchant_id": merchant,
        "timestamp_us": AS_OF_US + hours * HOUR_US + 1,
        "amount_cents": 12_345 * (hours + 31),
        "device_id": device,
    }
    for user, merchant, hours, device in itertools.product(
        [*USERS, "a stranger"], [*MERCHANTS, "nowhere"], (-30, 0, 50), ("d1", None)
    )
]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return online_rows()


@pytest.fixture(params=["sqlite", "redis"])
def filled(request: pytest.FixtureRequest, settings: Settings, frames: Frames) -> Settings:
    """Settings of a store with the state of a small history; there is one of each kind."""
    if request.param == "redis":
        settings = request.getfixturevalue("valkey").settings(settings.data_dir)
    fill(settings, frames)
    return settings


def fill(settings: Settings, frames: Frames) -> None:
    for view in VIEWS:
        as_of = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC)
        write_view(settings, view, frames[view.name], as_of)


def by_feast(settings: Settings, payments: list[dict[str, Any]], *, full: bool = True) -> Any:
    with opened(settings) as store:
        service = store.get_feature_service(SERVICE)
        return store.get_online_features(service, payments, full_feature_names=full).to_dict()


def bits(value: float | None) -> bytes:
    """A value's bits; Feast gives None for NaN."""
    return struct.pack("<d", math.nan if value is None else value)


def test_feast_gives_the_platforms_bits(filled: Settings) -> None:
    users, merchants = ([p[key] for p in PAYMENTS] for key in ("user_id", "merchant_id"))
    with open_store(filled) as store:
        contexts = store.contexts(users, merchants)
    events = [Event(**{n: v for n, v in p.items() if n != "user_id"}) for p in PAYMENTS]
    expected = [compute_vector(e, c) for e, c in zip(events, contexts, strict=True)]

    found = by_feast(filled, PAYMENTS)

    assert list(found)[:2] == ["user_id", "merchant_id"]
    assert list(found)[2:] == [f"transaction_vector__{name}" for name in CATALOGUE.names]
    for i, name in enumerate(CATALOGUE.names):
        ours = [bits(vector[i]) for vector in expected]
        assert [bits(value) for value in found[f"transaction_vector__{name}"]] == ours, name


def test_short_names_which_feast_would_mix_up_are_refused(
    settings: Settings, frames: Frames
) -> None:
    fill(settings, frames)

    with pytest.raises(ValueError, match="ask with full_feature_names=True"):
        by_feast(settings, PAYMENTS[:1], full=False)


def test_a_half_written_row_is_told(settings: Settings, frames: Frames) -> None:
    fill(settings, frames)
    with closing(sqlite3.connect(settings.online_store)) as connection, connection:
        connection.execute("DELETE FROM predictflow_user_daily WHERE feature_name = 'days'")

    with pytest.raises(ValueError, match="view user_daily: a row lacks days"):
        by_feast(settings, PAYMENTS[:1])


MORE = Catalogue(
    *CATALOGUE,
    WindowAggregate(
        name="user_min_amount_14d",
        key="user_id",
        aggregate="min",
        column="amount",
        window="14d",
        unit="currency",
        meaning="Smallest amount of the user in the last 14 days.",
    ),
)


def test_a_feature_declared_in_one_line_is_everywhere_in_feast(settings: Settings) -> None:
    found = feast_objects(settings.data_dir / "feast", settings.lake_dir, MORE)

    (kept,) = [field for field in found["user_daily"].schema if field.name == "min_amount"]
    assert kept.description == "Of each day: Smallest of amount in units of 1/100."
    assert tuple(f.name for f in found["transaction_vector"].features) == MORE.names
    assert "min_amount" in {
        field.name
        for source in found["transaction_vector"].source_feature_view_projections.values()
        for field in source.features
    }
    for service in ("fraud_detector", "fraud_detector_history"):
        (projection,) = found[service].feature_view_projections
        assert tuple(f.name for f in projection.features) == MORE.names
    (past,) = [f for f in found["transaction_features"].features if f.name == MORE.names[-1]]
    assert past.description == "Smallest amount of the user in the last 14 days."
    assert past.tags == {"kind": "window aggregate", "unit": "currency", "missing": "never missing"}


def test_a_catalogue_other_than_the_installed_one_is_not_applied(settings: Settings) -> None:
    from feast.errors import SpecifiedFeaturesNotPresentError  # noqa: PLC0415

    with pytest.raises(SpecifiedFeaturesNotPresentError, match="user_min_amount_14d"):
        apply(settings, MORE)


def test_everything_in_the_registry_says_what_it_is(settings: Settings) -> None:
    apply(settings)
    with opened(settings) as store:
        views = [*store.list_feature_views(), *store.list_on_demand_feature_views()]
        known = [*views, *store.list_entities(), *store.list_feature_services()]
        assert all(thing.description and thing.owner for thing in known)
        fields = [f for v in store.list_feature_views() for f in v.features]
        assert [field.name for field in fields if not field.description] == []
