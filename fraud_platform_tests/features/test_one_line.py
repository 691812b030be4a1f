"""A feature that is added in one line is everywhere that features are."""

from pathlib import Path
from typing import Any

import pytest

from feature_repo.views import feature_views
from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import Feature, LabelCount, WindowAggregate
from fraud_platform.features.docs import feature_page
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.quality import features_model
from fraud_platform.features.sql_steps import statements
from fraud_platform.features.state import views
from fraud_platform.features.tables import features_table, tile_table
from fraud_platform_tests.features.histories import DAYS, START
from fraud_platform_tests.features.lake_of import tables, vectors
from fraud_platform_tests.features.oracle import Oracle, Payment, Verdict
from fraud_platform_tests.features.replayed import Online

SAID: dict[str, Any] = {"unit": "a unit", "meaning": "What this feature alone means."}
USER: dict[str, Any] = {**SAID, "key": "user_id"}
CAN_MISS: dict[str, Any] = {**USER, "missing": "no payment"}
OVER_MAX, OTHER = "amount_to_user_max_30d", "merchant_id"

# The feature, the online view and its field that it needs, and the column of tiles, if any.
ADDED: list[tuple[Feature, str, str, tuple[str, str] | None]] = [
    (
        WindowAggregate(name="added", aggregate="min", column="amount", window="14d", **CAN_MISS),
        "user_daily",
        "min_amount",
        ("user_tiles", "min_amount"),
    ),
    (
        WindowAggregate(name="added", aggregate="max", column=OVER_MAX, window="7d", **CAN_MISS),
        "user_recent",
        "amount_to_user_max_30d",
        ("user_habit_tiles", "max_amount_to_user_max_30d"),
    ),
    (
        WindowAggregate(name="added", aggregate="distinct", column=OTHER, window="24h", **USER),
        "user_recent",
        "merchant_hashes",
        None,
    ),
    (
        LabelCount(name="added", window="7d", maturity=2, **USER),
        "user_labels",
        "frauds_after_2d",
        ("user_label_tiles", "frauds_after_2d"),
    ),
]  # fmt: skip
IDS = [f"{type(feature).__name__}-{field}" for feature, _, field, _ in ADDED]

_BEGIN = day_start_us(START)
PAYMENTS = [
    Payment(
        transaction_id=f"t{i}",
        timestamp_us=_BEGIN + i * 7 * HOUR_US,
        user_id="u",
        merchant_id=f"m{i % 3}",
        amount_cents=5003 - 997 * i % 5003,
    )
    for i in range(40)
]
VERDICTS = [
    Verdict(payment=payment, labelled_at_us=payment.timestamp_us + DAY_US, is_fraud=i % 2 == 0)
    for i, payment in enumerate(PAYMENTS)
]


@pytest.fixture(params=ADDED, ids=IDS)
def added(request: pytest.FixtureRequest) -> tuple[Catalogue, str, str, tuple[str, str] | None]:
    feature, view, field, column = request.param
    return Catalogue(*CATALOGUE, feature), view, field, column


def test_it_is_in_the_models_input_the_tables_the_checks_and_the_page(added) -> None:
    catalogue, _, _, _ = added
    assert catalogue.names == (*CATALOGUE.names, "added")
    assert features_table(catalogue).schema.names[-1] == "added"
    assert features_model(catalogue).columns["added"].nullable == (
        catalogue["added"].missing != "never missing"
    )
    assert "\n| `added` | What this feature alone means. |" in feature_page(catalogue)


def test_it_is_in_the_sql_and_its_column_in_the_tiles(added) -> None:
    catalogue, _, _, column = added
    sql = {statement.table: statement.sql for statement in statements(catalogue)}
    assert "added" not in "".join(s.sql for s in statements(CATALOGUE))
    assert sql["transaction_features"].count(" AS added") == 1
    if column:
        table, name = column
        (tiles,) = (tiles for tiles in catalogue.tiles if tiles.name == table)
        assert name in tile_table(tiles).schema.names
        assert f" AS {name}" in sql[table]
        assert not any(
            t.name == table and name in {m.name for m in t.measures} for t in CATALOGUE.tiles
        )


def test_it_is_in_the_online_view_and_in_feasts(added, tmp_path: Path) -> None:
    catalogue, name, field, _ = added
    before = {view.name: view.fields for view in views(CATALOGUE)}
    (view,) = (view for view in views(catalogue) if view.name == name)
    assert field in view.fields
    assert field not in before.get(name, {})
    feast = feature_views(tmp_path, views(catalogue))[name]
    assert field in {column.name for column in feast.schema}


def test_its_values_are_the_oracles_in_the_lake_and_online(added) -> None:
    catalogue, _, _, _ = added
    made = tables(catalogue, PAYMENTS, VERDICTS, START, DAYS)
    offline, online = (
        vectors(catalogue, made, START, DAYS),
        Online(catalogue, made).vectors(PAYMENTS),
    )
    oracle = Oracle(catalogue, PAYMENTS, VERDICTS)
    expected = [oracle.value("added", payment) for payment in PAYMENTS]
    assert len(set(map(repr, expected))) > 2
    for values in (offline, online):
        assert repr([values[p.transaction_id][-1] for p in PAYMENTS]) == repr(expected)
