import struct

import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.plots import Caption, gain_shares, plot_all, plot_importance
from fraud_platform.modelling.scored import EvaluationError
from fraud_platform_tests.modelling.generated import scored_rows

CAPTION = Caption(model="fraud_detector 12", period="test days 2026-03-22 to 2026-03-24")


def size(png: bytes) -> tuple[int, int]:
    """Width and height in the header of a PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_all_plots_are_png_wider_than_640_pixels(
    scored: pl.DataFrame, booster: xgb.Booster, costs: Costs
) -> None:
    made = plot_all(scored, 0.5, costs, booster, CAPTION)
    assert list(made) == ["precision_recall", "roc", "cost", "calibration", "importance"]
    for png in made.values():
        width, height = size(png)
        assert width == 960
        assert 400 < height < 1250


def test_the_same_rows_give_the_same_bytes(
    scored: pl.DataFrame, booster: xgb.Booster, costs: Costs
) -> None:
    made = [plot_all(scored, 0.5, costs, booster, CAPTION) for _ in range(2)]
    assert made[0] == made[1]


def test_the_threshold_and_the_caption_change_the_picture(
    scored: pl.DataFrame, booster: xgb.Booster, costs: Costs
) -> None:
    made = plot_all(scored, 0.5, costs, booster, CAPTION)
    moved = plot_all(scored, 0.3, costs, booster, CAPTION)
    other = plot_all(scored, 0.5, costs, booster, Caption(model="other", period="another day"))
    assert all(made[name] != moved[name] for name in ("precision_recall", "roc", "cost"))
    assert all(made[name] != other[name] for name in made)


def test_the_champion_is_a_second_line_of_precision_and_recall(
    scored: pl.DataFrame, booster: xgb.Booster, costs: Costs
) -> None:
    made = plot_all(scored, 0.5, costs, booster, CAPTION)
    rival = scored.with_columns(score=pl.col("score") * pl.col("device_new").fill_null(1) + 1e-3)
    beside = plot_all(scored, 0.5, costs, booster, CAPTION, champion=rival)
    assert [name for name in made if made[name] != beside[name]] == ["precision_recall"]


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_at_the_ends_can_be_drawn(
    threshold: float, scored: pl.DataFrame, booster: xgb.Booster, costs: Costs
) -> None:
    plot_all(scored, threshold, costs, booster, CAPTION)


def test_rows_of_one_class_are_refused(booster: xgb.Booster, costs: Costs) -> None:
    with pytest.raises(EvaluationError, match="both classes"):
        plot_all(scored_rows([0.1, 0.2], [False, False]), 0.5, costs, booster, CAPTION)


def test_gain_shares_name_every_feature_and_make_one(booster: xgb.Booster) -> None:
    shares = gain_shares(booster)
    assert list(shares) == booster.feature_names
    assert sum(shares.values()) == pytest.approx(1)


def test_a_model_without_a_split_can_be_drawn() -> None:
    data = xgb.DMatrix(np.zeros((4, 2)), label=[0, 1, 0, 1], feature_names=["a", "b"])
    empty = xgb.train({"objective": "binary:logistic"}, data, num_boost_round=1)
    assert gain_shares(empty) == {"a": 0.0, "b": 0.0}
    assert size(plot_importance(empty, "m"))[0] == 960
