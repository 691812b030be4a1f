"""Card precision: how many of the cards that investigators would look at each day had a fraud."""

import polars as pl


def card_precision(rows: pl.DataFrame, k: int = 100, *, remove_detected: bool = False) -> float:
    """Mean over days of the share of frauds among each day's `k` most suspicious users.

    A user's score of a day is the highest of their transactions of that day, and they count as
    fraud with at least one fraud that day; equal scores are taken in the order of `user_id`. With
    fewer than `k` users a day the share is of those there are. After CP@k in Le Borgne, Siblini,
    Lebichot, Bontempi, Reproducible Machine Learning for Credit Card Fraud Detection, section 4.4.
    The handbook's own code also leaves a card out on the days after it was found, because it is
    blocked then: `remove_detected` does that, for figures to be set beside published ones.

    With a column `weight` a user takes as many of the `k` places as their highest transaction
    counts; `remove_detected` goes without.

    `rows` has `event_date`, `user_id`, `score` and `is_fraud`, at least one row.
    """
    users = users_by_day(rows)
    if not remove_detected:
        if "weight" in rows.columns:
            return _mean_over_days(_within(users, k))
        top = users.group_by("event_date", maintain_order=True).head(k)
        return _mean_over_days(top)
    found = pl.DataFrame(schema={"user_id": users.schema["user_id"]})
    days: list[pl.DataFrame] = []
    for _, day in users.group_by("event_date", maintain_order=True):
        top = day.join(found, on="user_id", how="anti", maintain_order="left").head(k)
        found = pl.concat([found, top.filter("is_fraud").select("user_id")])
        days.append(top)
    return _mean_over_days(pl.concat(days))


def users_by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Each day's users with their highest `score` and whether one of their payments `is_fraud`, the
    most suspicious first; where rows have a `weight`, that of the highest score (of equal ones the
    largest)."""
    weight = [pl.col("weight").sort_by("score", "weight").last()] * ("weight" in rows.columns)
    users = rows.group_by("event_date", "user_id").agg(
        pl.col("score").max(), pl.col("is_fraud").any(), *weight
    )
    return users.sort("event_date", "score", "user_id", descending=[False, True, False])


def _within(users: pl.DataFrame, k: int) -> pl.DataFrame:
    """The users of each day's first `k` places, with as much of their `weight` as lies within."""
    before = pl.col("weight").cum_sum().over("event_date") - pl.col("weight")
    left = (k - before).clip(lower_bound=0)
    return users.with_columns(weight=pl.min_horizontal("weight", left)).filter(pl.col("weight") > 0)


def _mean_over_days(top: pl.DataFrame) -> float:
    share = pl.col("is_fraud").mean()
    if "weight" in top.columns:
        share = (pl.col("is_fraud") * pl.col("weight")).sum() / pl.col("weight").sum()
    shares = top.group_by("event_date").agg(is_fraud=share).sort("event_date")
    return float(shares["is_fraud"].to_numpy().mean())
