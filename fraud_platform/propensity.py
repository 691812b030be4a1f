"""How often a row counts where would-be blocks were let pass at random (see `let_pass`).

A payment that was blocked has no label to be trusted. Where it might have been let pass, those that
were stand for it: each counts 1 / propensity, and the blocked one nothing, labelled or not, as its
share is counted already and who labels blocked payments looks at some more than at others. Over
the limit nothing stands for what was blocked, so figures leave out all payments over it; training,
which is no estimate, takes them by whatever labels they have.
"""

import msgspec
import polars as pl

DRAWN = ("action", "propensity", "amount_cents", "pass_limit_cents")
"""Columns of `prediction_log` that weights are made of; nulls in rows of before there were any."""


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of labelled rows where would-be blocks were let pass at random.

    `passed` of them were let pass and count `counted` times together; `blocked` transactions were
    left out beside them, and so were `over_limit` ones.
    """

    passed: int
    counted: float
    blocked: int
    over_limit: int


def weighed(kept: pl.DataFrame, left_out: pl.DataFrame) -> Weighed:
    """The account of rows with `weight`, and of those left out, with `over_limit`."""
    passed = kept.filter(pl.col("weight") != 1)
    over = int(left_out["over_limit"].sum())
    return Weighed(
        passed=passed.height,
        counted=float(passed["weight"].sum()),
        blocked=left_out.height - over,
        over_limit=over,
    )


def over_limit() -> pl.Expr:
    """Whether a decision was on a payment that would not have been let pass for its amount."""
    return (pl.col("amount_cents") > pl.col("pass_limit_cents")).fill_null(value=False)


def decision_weight() -> pl.Expr:
    """How often a row of `prediction_log` counts in a figure of decisions: 1 where nothing was
    drawn, null where it is left out."""
    return pl.when(~over_limit()).then(_drawn_weight())


def transaction_weights(decisions: pl.DataFrame) -> pl.DataFrame:
    """`weight` and `over_limit` of transactions, by transaction_id and event_date, their own day.

    `decisions` has DRAWN, transaction_id and event_date. Of one that was decided more than once the
    draws are one, so it passed each time or was blocked; of several shares the least counts. A
    weight is null where it was blocked.
    """
    each = decisions.with_columns(weight=_drawn_weight(), over_limit=over_limit())
    blocked = pl.col("weight").is_null().any()
    return each.group_by("transaction_id", "event_date").agg(
        weight=pl.when(~blocked).then(pl.col("weight").max()),
        over_limit=pl.col("over_limit").any(),
    )


def _drawn_weight() -> pl.Expr:
    propensity = pl.col("propensity").fill_null(1.0)
    blocked = (pl.col("action") == "block") & (propensity < 1)
    return pl.when(~blocked).then(1 / propensity)
