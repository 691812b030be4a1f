from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.modelling.card_precision import card_precision
from fraud_platform_tests.modelling.generated import scored_rows

Drawn = list[tuple[int, str, float, bool]]

ROWS: st.SearchStrategy[Drawn] = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from("abcdefg"),
        st.sampled_from([0.1, 0.2, 0.5, 0.9]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def slow(drawn: Drawn, k: int, *, remove_detected: bool) -> float:
    """The handbook's definition, one day and one card after the other."""
    shares: list[float] = []
    detected: set[str] = set()
    for day in sorted({row[0] for row in drawn}):
        score: dict[str, float] = {}
        fraud: dict[str, bool] = defaultdict(bool)
        for when, user, p, is_fraud in drawn:
            if when == day and user not in detected:
                score[user] = max(p, score.get(user, 0.0))
                fraud[user] |= is_fraud
        top = sorted(score, key=lambda user: (-score[user], user))[:k]
        if top:
            shares.append(sum(fraud[user] for user in top) / len(top))
        if remove_detected:
            detected |= {user for user in top if fraud[user]}
    return sum(shares) / len(shares)


@given(drawn=ROWS, k=st.integers(1, 8), remove_detected=st.booleans())
def test_card_precision_equals_the_slow_loop(drawn: Drawn, k: int, remove_detected: bool) -> None:
    days, users, scores, is_fraud = zip(*drawn, strict=True)
    rows = scored_rows(scores, is_fraud, users=users, days=days)
    expected = slow(drawn, k, remove_detected=remove_detected)
    assert card_precision(rows, k, remove_detected=remove_detected) == pytest.approx(expected)


def test_a_user_counts_once_a_day_with_the_highest_score_and_any_fraud() -> None:
    rows = scored_rows(
        [0.9, 0.1, 0.8, 0.2], [False, True, False, False], users=["a", "a", "b", "c"]
    )
    assert card_precision(rows, 1) == 1.0
    assert card_precision(rows, 2) == 0.5


def test_a_card_found_on_one_day_is_left_out_later_only_when_asked_to() -> None:
    rows = scored_rows(
        [0.9, 0.1, 0.9, 0.1], [True, False, True, False], users=list("abab"), days=[0, 0, 1, 1]
    )
    assert card_precision(rows, 1) == 1.0
    assert card_precision(rows, 1, remove_detected=True) == 0.5
