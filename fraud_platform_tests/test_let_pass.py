"""The draw of who is let pass: a share, the same again, exact, and up to the limit."""

from fraud_platform.let_pass import LetPass, share_of

KEY = b"k" * 32
IDS = [f"tx-{n}" for n in range(20_000)]


def passed(draw: LetPass, cents: int = 100) -> set[str]:
    """The would-be blocks that are let pass."""
    taken = {one: draw.taken(is_fraud=True, transaction_id=one, amount_cents=cents) for one in IDS}
    return {one for one, (action, *_) in taken.items() if action == "allow"}


def test_the_share_is_let_pass_and_a_larger_one_lets_the_same_and_more() -> None:
    few, more = passed(LetPass(0.01, None, KEY)), passed(LetPass(0.2, None, KEY))

    assert few < more
    assert abs(len(few) / len(IDS) - 0.01) < 4 * (0.01 * 0.99 / len(IDS)) ** 0.5
    assert abs(len(more) / len(IDS) - 0.2) < 4 * (0.2 * 0.8 / len(IDS)) ** 0.5


def test_another_key_draws_others() -> None:
    one, other = passed(LetPass(0.1, None, KEY)), passed(LetPass(0.1, None, b"q" * 32))

    assert abs(len(one & other) / len(IDS) - 0.01) < 0.004  # as independent draws do


def test_what_is_logged_gives_the_share_back_to_the_bit() -> None:
    for share in (0.01, 0.1, 1 / 3, 0.07, 0.4999, 2**-53):
        draw = LetPass(share, None, KEY)
        for one in IDS[:200]:
            taken = draw.taken(is_fraud=True, transaction_id=one, amount_cents=1)
            again = LetPass(share_of(taken.action, taken.propensity), None, KEY)
            assert again.taken(is_fraud=True, transaction_id=one, amount_cents=1) == taken


def test_nothing_is_drawn_of_what_is_legitimate_or_over_the_limit_or_without_a_share() -> None:
    limited, off = LetPass(0.49, 5_000, KEY), LetPass(0.0, 5_000, b"")

    assert {
        limited.taken(is_fraud=False, transaction_id=one, amount_cents=1) for one in IDS[:99]
    } == {("allow", 1.0, 5_000)}
    assert passed(limited, 5_001) == set()
    assert len(passed(limited, 5_000)) > 9_000
    assert off.taken(is_fraud=True, transaction_id="t", amount_cents=1) == ("block", 1.0, None)
    assert off.taken(is_fraud=False, transaction_id="t", amount_cents=1) == ("allow", 1.0, None)
