"""How good decisions were that the service really gave, held against their labels.

What counts is the verdict as it was answered, by whatever model and threshold, not what some model
would say of the rows.
"""

from math import sqrt
from typing import Literal

import numpy as np
import polars as pl

from fraud_platform.contracts.monitoring import DayQuality, Quality
from fraud_platform.modelling.calibration import expected_calibration_error
from fraud_platform.modelling.costs import Costs, cost_cents
from fraud_platform.propensity import decision_weight
from fraud_platform.settings import QualityFloors

_Z = 1.959963984540054
"""The normal quantile of an interval that covers 95 in 100."""


def judge(
    rows: pl.DataFrame, decided: str, estimate: Literal["matured", "early"], costs: Costs
) -> DayQuality:
    """The quality of a day's decisions, of all together and by model version.

    `rows` are those of `decided_rows`. A day without decisions, without labels, or with labels of
    one kind is no error: it says so, and has the figures that there are. Where would-be blocks are
    let pass at random, decisions count as `propensity.decision_weight` says, others once.
    """
    weighed = rows.with_columns(weight=decision_weight())
    overall = _quality(weighed, None, costs)
    versions = weighed["model_version"].unique().sort().to_list()
    return DayQuality(
        decided=decided,
        estimate=estimate,
        overall=overall,
        by_model=[
            _quality(weighed.filter(pl.col("model_version") == one), one, costs) for one in versions
        ],
        unjudged=_why_unjudged(overall),
    )


def below_floors(rows: pl.DataFrame, decided: str, floors: QualityFloors) -> list[str]:
    """What of a day's decisions is below its floor by more than chance, in words; [] for nothing.

    Chance is the 95 % interval of Wilson, Probable Inference, the Law of Succession, and
    Statistical Inference, JASA 22, 1927: all of it must lie below the floor. Weighed decisions
    count as no more than if each had the weight of the heaviest.
    """
    weighed = rows.with_columns(weight=decision_weight())
    known = _known(weighed)
    frauds, alerts = known.filter("is_fraud"), known.filter("alert")
    if frauds.height < floors.min_frauds:
        return []
    blocked = (pl.col("action") == "block") & (pl.col("propensity") < 1)
    passed = pl.when(blocked).then(1 / (1 - pl.col("propensity")))  # what it would have counted
    heaviest = weighed.select(pl.max_horizontal(pl.col("weight"), passed).max()).item()
    found = []
    for name, among, hit, what in (
        ("precision", alerts, "is_fraud", "alarms"),
        ("recall", frauds, "alert", "frauds"),
    ):
        floor, share = getattr(floors, name), _share(among, hit)
        size = among["weight"].sum() / heaviest
        if share is not None and _upper(share, size) < floor:
            found.append(
                f"{name} of {decided} is {share:.2f} on {among.height:,} {what}, below the floor "
                f"of {floor:g} (quality_floors.{name})"
            )
    return found


def _quality(rows: pl.DataFrame, version: str | None, costs: Costs) -> Quality:
    known = _known(rows)
    frauds, alerts = known.filter("is_fraud"), known.filter("alert")
    return Quality(
        model_version=version,
        decisions=rows.height,
        degraded=int(rows["degraded"].sum()),
        labelled=known.height,
        frauds=frauds.height,
        alarms=alerts.height,
        weighed=bool((rows["weight"] != 1.0).any() or rows["weight"].null_count()),
        precision=_share(alerts, "is_fraud"),
        recall=_share(frauds, "alert"),
        **(_scores(known) | _money(known, costs) if known.height else {}),
    )


def _known(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("is_fraud").is_not_null() & pl.col("weight").is_not_null())


def _share(rows: pl.DataFrame, hit: str) -> float | None:
    """The weight of the rows that are `hit` in that of all; None without rows."""
    if not rows.height:
        return None
    return float(rows.filter(hit)["weight"].sum()) / float(rows["weight"].sum())


def _scores(known: pl.DataFrame) -> dict[str, float]:
    """The figures of the scores; those that need both classes are left out with one."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415 - seconds

    score, weight = known["score"].to_numpy(), known["weight"].to_numpy()
    is_fraud = known["is_fraud"].to_numpy()
    found = {"calibration_error": expected_calibration_error(score, is_fraud, weight)}
    if 0 < is_fraud.sum() < is_fraud.size:
        found["auc"] = float(roc_auc_score(is_fraud, score, sample_weight=weight))
        found["average_precision"] = float(
            average_precision_score(is_fraud, score, sample_weight=weight)
        )
    return found


def _money(known: pl.DataFrame, costs: Costs) -> dict[str, float]:
    is_fraud, amount = known["is_fraud"].to_numpy(), known["amount_cents"].to_numpy()
    alert, weight = known["alert"].to_numpy(), known["weight"].to_numpy()
    lost = cost_cents(alert, is_fraud, amount, costs, weight)
    never = cost_cents(np.zeros_like(alert), is_fraud, amount, costs, weight)
    return {"money_saved": (never - lost) / 100, "money_lost": lost / 100}


def _why_unjudged(quality: Quality) -> str:
    if not quality.decisions:
        return "the service's log holds no decisions of that day"
    if not quality.labelled:
        return f"none of its {quality.decisions:,} decisions has a label that counts"
    if not quality.frauds:
        return f"none of its {quality.labelled:,} labelled decisions is a fraud"
    if quality.frauds == quality.labelled:
        return f"all of its {quality.labelled:,} labelled decisions are frauds"
    return ""


def _upper(share: float, size: float) -> float:
    """The upper end of Wilson's interval of a share among `size` rows."""
    spread = _Z * sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
    return (share + _Z**2 / (2 * size) + spread) / (1 + _Z**2 / size)
