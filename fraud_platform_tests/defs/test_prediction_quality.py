"""`prediction_quality` on a week of served traffic: what anybody would compute of the raw files."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from fraud_platform.clock import day_of, day_start_us, days_between
from fraud_platform.commands.dagster_run import Ran
from fraud_platform.contracts.decisions import Decision
from fraud_platform.contracts.monitoring import LiveParity, Quality, QualityReport
from fraud_platform.contracts.tables import PREDICTION_LOG, RAW_TRANSACTIONS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.monitoring import live_parity
from fraud_platform.settings import load_settings
from fraud_platform_tests.defs.served_week import FRESH, WEEK, Served, serve_week
from fraud_platform_tests.serving.conftest import deploy, models, start
from fraud_platform_tests.serving.parts import Deploy, Start
from fraud_platform_tests.world import LAST, make

__all__ = ["deploy", "models", "start"]
ASSET = dg.AssetKey("prediction_quality")


@pytest.fixture
def on() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Judged(NamedTuple):
    """The served week, and the run that made the report of each day from its first to LAST."""

    served: Served
    ran: Ran
    metadata: Mapping[str, Any]


@pytest.fixture(scope="module")
def judged(
    made_world: Path,
    world_file: Path,
    deploy: Deploy,
    start: Start,
    tmp_path_factory: pytest.TempPathFactory,
) -> Judged:
    directory = tmp_path_factory.mktemp("served") / "data"
    shutil.copytree(made_world, directory)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as on:
        patch.setenv("PREDICTFLOW_DATA_DIR", str(directory))
        served = serve_week(load_settings(), world_file, deploy, start)
        ran = make(["prediction_quality"], WEEK[0], LAST, on)
        event = on.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == str(LAST)
    return Judged(served, ran, event.asset_materialization.metadata)


@pytest.fixture
def week(judged: Judged, data_dir: Path) -> Lake:
    """A lake of this test with the week in it, and its reports."""
    shutil.copytree(judged.served.data_dir, data_dir)
    return Lake(data_dir / "lake")


def report(day: date) -> QualityReport:
    path = load_settings().quality_dir / f"{day}.json"
    return msgspec.json.decode(path.read_bytes(), type=QualityReport)


def parity(day: date) -> LiveParity:
    path = load_settings().quality_dir / f"{day}.parity.json"
    return msgspec.json.decode(path.read_bytes(), type=LiveParity)


def recomputed(decisions: list[Decision], verdicts: dict[str, bool]) -> dict[str, Any]:
    """The figures of decisions, each transaction's last, from scikit-learn and plain sums."""
    known = [one for one in decisions if one.transaction_id in verdicts]
    truth = np.array([verdicts[one.transaction_id] for one in known])
    said = np.array([one.is_fraud for one in known])
    score = np.array([one.fraud_probability for one in known])
    lost = 0.0
    for one, fraud in zip(known, truth, strict=True):
        if fraud and not one.is_fraud:
            lost += one.amount_cents / 100 + 20
        elif one.is_fraud and not fraud:
            lost += 20
    never = sum(one.amount_cents / 100 + 20 for one in known if verdicts[one.transaction_id])
    bins = [(score >= i / 10) & ((score < (i + 1) / 10) | (i == 9)) for i in range(10)]
    gaps = [abs(score[b].mean() - truth[b].mean()) * b.sum() for b in bins if b.any()]
    return {
        "decisions": len(decisions),
        "degraded": sum(one.degraded for one in decisions),
        "labelled": len(known),
        "frauds": int(truth.sum()),
        "alarms": int(said.sum()),
        "precision": metrics.precision_score(truth, said),
        "recall": metrics.recall_score(truth, said),
        "auc": metrics.roc_auc_score(truth, score),
        "average_precision": metrics.average_precision_score(truth, score),
        "calibration_error": sum(gaps) / len(known),
        "money_saved": never - lost,
        "money_lost": lost,
    }


def offline(served: Served, decided: date, known_by: date) -> dict[str | None, dict[str, Any]]:
    """By model version, and of all, the figures of a day by the labels known at a day's end."""
    last: dict[str, Decision] = {}
    for one in served.decisions:
        if day_of(one.decided_us) == decided:
            last[one.transaction_id] = one
    until = day_start_us(known_by + timedelta(days=1))
    verdicts = {
        name: is_fraud
        for name, at_us, is_fraud in sorted(served.labels, key=lambda label: label[1])
        if at_us < until
    }
    found: dict[str | None, dict[str, Any]] = {None: recomputed([*last.values()], verdicts)}
    for version in {one.model_version for one in last.values()}:
        mine = [one for one in last.values() if one.model_version == version]
        found[version] = recomputed(mine, verdicts)
    return found


def same(found: Quality, wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12, rel=1e-12), name


@pytest.mark.usefixtures("week")
def test_matured_and_early_quality_of_a_week_equal_an_offline_recomputation(judged: Judged) -> None:
    seen = set()
    for day in days_between(WEEK[0], LAST + timedelta(days=1)):
        found = report(day)
        assert found.day == str(day)
        assert [one.decided for one in found.days] == [
            str(day - timedelta(days=ago)) for ago in range(7, -1, -1)
        ]
        assert [one.estimate for one in found.days] == ["matured", *["early"] * 7]
        for one in found.days:
            decided = date.fromisoformat(one.decided)
            if decided not in WEEK:
                assert one.unjudged == "the service's log holds no decisions of that day"
            elif (day - decided).days < 2:
                assert one.unjudged.endswith("decisions has a label that counts")
            else:
                wanted = offline(judged.served, decided, day)
                assert not one.unjudged
                same(one.overall, wanted.pop(None))
                assert [each.model_version for each in one.by_model] == sorted(map(str, wanted))
                for each in one.by_model:
                    same(each, wanted[each.model_version])
                seen.add((one.estimate, decided))
    assert seen == {(estimate, day) for estimate in ("matured", "early") for day in WEEK}


@pytest.mark.usefixtures("week")
def test_the_run_tells_the_final_figures_and_the_days_that_could_not_be_judged(
    judged: Judged,
) -> None:
    final = [report(day + timedelta(days=7)).days[0] for day in WEEK]
    assert [one.by_model[0].model_version for one in final] == ["1"] * 4 + ["2"] * 3
    assert final[-1].overall.degraded == 5
    assert all(one.overall.labelled < one.overall.decisions for one in final)
    (unjudged,) = [one for one in judged.ran.warnings if " judged: " in one]
    assert unjudged.count("holds no decisions of that day") == 7
    assert judged.metadata["recall"].value == final[-1].overall.recall
    table = judged.metadata["quality"].value
    assert table.count("| early estimate |") == 7
    assert f"| {WEEK[-1]} | final | 2 |" in table
    assert Path(judged.metadata["report"].value).name == f"{LAST}.json"


def test_decisions_below_a_floor_are_told_with_the_floor(
    week: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = report(LAST).days[0].overall
    assert found.precision is not None
    monkeypatch.setenv("PREDICTFLOW_QUALITY_FLOORS_PRECISION", "0.99")
    monkeypatch.setenv("PREDICTFLOW_QUALITY_FLOORS_MIN_FRAUDS", str(found.frauds))
    warnings = make(["prediction_quality"], LAST, LAST).warnings
    said = f"precision of {WEEK[-1]} is {found.precision:.2f} on {found.alarms} alarms, below"
    assert [said in one for one in warnings if "above_floors" in one] == [True]
    assert [text.startswith(said) for text in report(LAST).findings[:1]] == [True]


@pytest.mark.usefixtures("week")
def test_a_week_of_vectors_is_the_lakes_but_for_what_the_state_could_not_know(
    judged: Judged,
) -> None:
    assert not [one for one in judged.ran.warnings if " parity: " in one]
    assert "no decisions of that day" in parity(LAST).unjudged
    for day in WEEK:
        found = parity(day)
        mine = [one for one in judged.served.decisions if day_of(one.decided_us) == day]
        assert found.vectors + sum(found.left_out.values()) == len(mine)
        assert found.differing == {}
        if day == FRESH:
            assert (found.identical, found.skewed) == (found.vectors, {})
        else:
            assert 0 < found.identical < found.vectors / 4
        assert found.left_out[live_parity.OTHER_CONTENT] > 0
        assert found.left_out[live_parity.NOT_THERE] > 0
        assert found.left_out.get(live_parity.DEGRADED, 0) == 5 * (day == WEEK[-1])
        assert not {name for name in found.skewed if live_parity.of_request(name)}


def alone(lake: Lake, day: date) -> list[str]:
    """Payments of a day whose users made none before them on it, and the others."""
    rows = lake.read(RAW_TRANSACTIONS, day, day + timedelta(days=1))
    return rows.unique("user_id", keep="first", maintain_order=True)["transaction_id"].to_list()


def test_a_value_that_no_freshness_explains_is_told_and_one_of_the_request_is_an_error(
    week: Lake, on: dg.DagsterInstance
) -> None:
    day, before = WEEK[1], parity(WEEK[1])
    after = day + timedelta(days=1)
    first = alone(week, day)
    rows = week.read(TRANSACTION_FEATURES, day, after)
    one_more = pl.when(pl.col("transaction_id").is_in(first[:4])).then(1).otherwise(0)
    changed = rows.with_columns(pl.col("user_tx_count_30d", "merchant_age") + one_more)
    week.replace_days(TRANSACTION_FEATURES, day, after, changed)
    (warning,) = (
        one for one in make(["prediction_quality"], day, day, on).warnings if " parity: " in one
    )
    found = parity(day)
    assert found.differing == {"merchant_age": 4, "user_tx_count_30d": 4}
    assert found.skewed == before.skewed
    assert f"user_tx_count_30d: 4 of {before.vectors} vectors served on {day}" in warning

    changed = rows.with_columns(pl.col("hour_of_day") + one_more)
    week.replace_days(TRANSACTION_FEATURES, day, after, changed)
    make(["prediction_quality"], day, day, on)
    assert parity(day).differing == {"hour_of_day": 4}
    key = dg.AssetCheckKey(ASSET, "parity")
    (record,) = on.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    check: Any = record.event.dagster_event
    evaluated = check.asset_check_evaluation_data
    assert (evaluated.passed, evaluated.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "made of the request alone" in evaluated.description


def test_decisions_of_a_model_that_is_unknown_by_now_are_judged_and_not_compared(
    week: Lake,
) -> None:
    before = report(LAST), parity(WEEK[-1])
    (bundle,) = load_settings().bundles_dir.glob("*-v2-*")
    shutil.rmtree(bundle)
    make(["prediction_quality"], WEEK[-1], WEEK[-1])
    make(["prediction_quality"], LAST, LAST)
    assert report(LAST) == before[0]  # which shows as well that a day made again says the same
    found = parity(WEEK[-1])
    assert found.unjudged == "nothing that was served can be compared"
    degraded = before[1].left_out[live_parity.DEGRADED]
    left = sum(before[1].left_out.values()) + before[1].vectors - degraded
    assert found.left_out == {live_parity.UNKNOWN_MODEL: left, live_parity.DEGRADED: degraded}


def test_decisions_that_cannot_be_compared_are_counted_by_why(week: Lake) -> None:
    day, after, before = WEEK[1], WEEK[2], parity(WEEK[1])
    log = week.read(PREDICTION_LOG, day, after)
    once = log.filter(pl.col("transaction_id").is_unique())["transaction_id"]
    ids = [one for one in alone(week, day) if one in once]
    older, shorter = (pl.col("transaction_id").is_in(some) for some in (ids[:2], ids[2:5]))
    changed = log.with_columns(
        state_age_s=pl.when(older).then(-1.0).otherwise("state_age_s"),
        features=pl.when(shorter).then(pl.col("features").list.head(3)).otherwise("features"),
    )
    week.replace_days(PREDICTION_LOG, day, after, changed)
    found = live_parity.report_on(load_settings(), week, day)
    counts = {live_parity.OLDER: 2, live_parity.OTHER_FEATURES: 3}
    assert found.left_out == before.left_out | counts
    assert found.vectors == before.vectors - 5
