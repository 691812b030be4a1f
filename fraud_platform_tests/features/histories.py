"""Generated histories: few users, merchants and devices, so that everything meets everything."""

from datetime import date

from hypothesis import strategies as st

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform_tests.features.oracle import Payment, Verdict

START, DAYS = date(2026, 3, 1), 40
_BEGIN = day_start_us(START)

# Round times meet window borders and each other; the rest is anywhere.
times = st.one_of(
    st.integers(0, DAYS * 24 - 1).map(lambda hours: _BEGIN + hours * HOUR_US),
    st.integers(0, DAYS * DAY_US - 1).map(lambda us: _BEGIN + us),
    st.integers(_BEGIN + 35 * DAY_US, _BEGIN + 35 * DAY_US + HOUR_US),
)
users = st.sampled_from(["u1", "u2"])
merchants = st.sampled_from(["m1", "m2"])
devices = st.sampled_from([None, "d1", "d2", "Ω"])
cents = st.one_of(st.integers(1, 100_000_000), st.sampled_from([1, 99, 5230]))

verdicts = st.lists(
    st.builds(Verdict, merchant_id=merchants, labelled_at_us=times, is_fraud=st.booleans()),
    max_size=25,
)


@st.composite
def payments(draw: st.DrawFn) -> list[Payment]:
    """Payments by time, each with an id of its own."""
    rows = draw(
        st.lists(st.tuples(times, users, merchants, devices, cents), min_size=1, max_size=25)
    )
    return [
        Payment(
            transaction_id=f"t{i}",
            timestamp_us=time,
            user_id=user,
            merchant_id=merchant,
            device_id=device,
            amount_cents=amount,
        )
        for i, (time, user, merchant, device, amount) in enumerate(sorted(rows, key=str))
    ]
