"""Generated histories: few users, merchants and devices, so that everything meets everything."""

from datetime import date

from hypothesis import strategies as st

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform_tests.features.oracle import Payment, Verdict

START, DAYS = date(2026, 3, 1), 40
_BEGIN = day_start_us(START)

# Round times meet window borders and each other; the rest is anywhere, and much on two days.
times = st.one_of(
    st.integers(0, DAYS * 24 - 1).map(lambda hours: _BEGIN + hours * HOUR_US),
    st.integers(0, DAYS * DAY_US - 1).map(lambda us: _BEGIN + us),
    st.integers(_BEGIN + 35 * DAY_US, _BEGIN + 37 * DAY_US - 1),
    st.integers(_BEGIN + 35 * DAY_US, _BEGIN + 35 * DAY_US + HOUR_US),
)
users = st.sampled_from(["u1", "u2"])
merchants = st.sampled_from(["m1", "m2", "m3"])
devices = st.sampled_from([None, "d1", "d2", "Ω"])
cents = st.one_of(st.integers(1, 100_000_000), st.sampled_from([1, 99, 5230, 5300]))
_delays = st.one_of(st.integers(0, 12 * DAY_US), st.sampled_from([0, HOUR_US, DAY_US, 7 * DAY_US]))

History = tuple[list[Payment], list[Verdict]]


@st.composite
def histories(draw: st.DrawFn, name: str = "", most: int = 25) -> History:
    """Payments by time, each with an id of its own, and labels of some; ids carry the name."""
    payment = st.tuples(times, users, merchants, devices, cents)
    rows = draw(st.lists(payment, min_size=1, max_size=most))
    payments = [
        Payment(
            transaction_id=f"{name}t{i}",
            timestamp_us=time,
            user_id=name + user,
            merchant_id=name + merchant,
            device_id=device,
            amount_cents=amount,
        )
        for i, (time, user, merchant, device, amount) in enumerate(sorted(rows, key=str))
    ]
    label = st.tuples(st.sampled_from(payments), _delays, st.booleans())
    verdicts = [
        Verdict(payment=payment, labelled_at_us=payment.timestamp_us + delay, is_fraud=fraud)
        for payment, delay, fraud in draw(st.lists(label, max_size=most))
    ]
    return payments, verdicts


def several(count: int) -> st.SearchStrategy[list[History]]:
    """Histories that share no user and no merchant: one run of the SQL answers for all."""
    return st.tuples(*(histories(f"h{i}-") for i in range(count))).map(list)
