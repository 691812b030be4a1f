"""How a model is trained, judged and let in."""

from typing import Annotated, Literal

from msgspec import Meta

from fraud_platform.settings.base import NotNegative, Positive, Section, Share

Money = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(gt=0, le=1)]


class Training(Section, frozen=True):
    """The window of mature labels, in days, oldest first: fit, gap, validate, test; and the trees
    that are fitted on it."""

    window_days: Positive = 30
    """Days of the whole window; the fit takes what gap, validation and test leave."""
    gap_days: NotNegative = 0
    """Days left out after the fit, for the time that a served model's labels take to mature."""
    validation_days: NotNegative = 3
    """Days after the gap, on which trees are counted, scores calibrated, the threshold chosen. With
    0 there is none of it: all trees, raw scores, the fixed threshold."""
    test_days: Positive = 7
    """Last days of the window, on which the model is reported; nothing is chosen on them."""
    split: Literal["time", "random"] = "time"
    """`random` draws the validation rows from the days of both, of each class and day alike; the
    test days stay the last."""
    min_label_share: Share = 0.95
    """Share of each day's transactions that must have a known label."""
    max_single_auc: Annotated[float, Meta(gt=0.5, le=1)] = 0.98
    """A feature that alone ranks frauds better than this is taken for a leak, and refused."""

    trees: Positive = 300
    """Most trees; early stopping may leave fewer."""
    early_stopping_rounds: NotNegative = 50
    """Trees without a better average precision on the validation rows, after which no more are
    grown; 0 grows them all."""
    depth: Positive = 4
    learning_rate: Fraction = 0.05
    row_share: Fraction = 0.8
    """Share of the rows that a tree is grown on."""
    feature_share: Fraction = 0.6
    """Share of the features that a tree is grown on."""
    class_balance: Share = 1.0
    """How far a fraud's weight makes up for its rarity: its weight is legitimate rows / frauds to
    the power of this. 1 balances the classes, 0 weighs all rows alike."""
    min_child_weight: Money = 3.0
    """Least sum of weights in a leaf, as XGBoost counts them."""
    l2: Money = 2.0
    """L2 penalty on the values of leaves."""
    parallel_trees: Positive = 1
    """Trees that are grown side by side in each round and averaged."""
    negative_share: Fraction = 1.0
    """Share of the legitimate rows that are fitted on, drawn by day and seed."""
    monotone: bool = False
    """Whether scores may only rise with features that speak for fraud (see `monotone.py`)."""
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    tune_minutes: NotNegative = 0
    """Minutes that Optuna may look for better trees before the fit; 0 is off."""

    calibration: Literal["beta", "none"] = "beta"
    """What makes a share of frauds of a score, on the validation rows."""
    threshold_by: Literal["cost", "precision", "recall", "alerts", "fixed"] = "cost"
    """What the threshold is chosen by on the validation rows: the least cost, or the `wished` share
    or number. Where it can't be, the fixed one is taken."""
    threshold_wished: Money = 0.0
    """With `precision` and `recall` the least share, with `alerts` the most alerts a day."""
    threshold_fixed: Share = 0.7
    min_precision: Share = 0.5
    """With `cost`: least share of alerts that must have been right; 0 asks for nothing."""
    missed_fraud_fee: Money = 20.0
    """Cost of a missed fraud beyond its amount, in currency units."""
    false_alarm_cost: Money = 20.0
    """Cost of stopping a legitimate payment, in currency units."""
    review_cost: Money = 0.0
    """Cost of looking into any alert, in currency units."""


class Gate(Section, frozen=True):
    """What a challenger has to show before it goes live."""

    metric: Literal["average_precision", "auc_roc", "card_precision_100", "money_saved"] = (
        "average_precision"
    )
    """What must be better than the champion's, on the same rows."""
    min_gain: Money = 0.0
    """By how much more than nothing."""
    slice_min_frauds: Positive = 30
    """Slices with fewer frauds are not judged."""
    slice_max_drop: Share = 0.1
    """How far a slice's average precision may lie below the champion's."""
    parity: bool = True
    """Whether the newest day's features have to be the same online and offline."""
    bootstrap: Annotated[int, Meta(ge=50, le=10_000)] = 200
    """Samples that the intervals are taken from."""
    shadow: Literal["off", "refused"] = "off"
    """`refused` has the service score with a refused challenger too, which answers nobody."""
