"""`predictflow features explain`: where each value of a stored vector came from."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from fraud_platform.commands import console
from fraud_platform.commands.whereabouts import find_features
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.explain import Explanation, explain, moment, shown
from fraud_platform.features.sources import Label, Payment, Sources
from fraud_platform.lake.feature_sources import read_sources
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings


def run_explain(transaction_id: str, day: date | None, *, as_json: bool) -> None:
    lake = Lake(load_settings().lake_dir)
    row = find_features(lake, CATALOGUE, transaction_id, day)
    sources = read_sources(lake, CATALOGUE, row)
    made = explain(CATALOGUE, sources)
    if as_json:
        console.emit(_document(sources.payment, row["event_date"], made))
    else:
        _print(sources, made)
    wrong = [one for one in made if one.faults]
    if wrong:
        raise PredictFlowError(
            f"{len(wrong)} of {len(made)} features of {transaction_id} don't come out of their "
            f"sources ({', '.join(one.name for one in wrong)}): something came late or was changed "
            "after they were made, or the catalogue was; make the days of its windows again with "
            "`predictflow materialize`, and if it stays so, it is a fault of PredictFlow"
        )


def _document(payment: Payment, day: date, made: Sequence[Explanation]) -> dict[str, Any]:
    """As JSON; times are microseconds UTC as in the lake."""
    return {
        "transaction": {**msgspec.to_builtins(payment), "event_date": day},
        "agrees": not any(one.faults for one in made),
        "features": [msgspec.to_builtins(one) for one in made],
    }


def _print(sources: Sources, made: Sequence[Explanation]) -> None:
    now = sources.payment
    _line(
        f"Transaction {now.transaction_id}: {moment(now.timestamp_us)} UTC, "
        f"{now.amount_cents / 100:.2f}, user {now.user_id}, merchant {now.merchant_id}, "
        f"device {now.device_id or 'unknown'}"
    )
    for one in made:
        console.console.print()
        _line(f"{one.name} = {shown(one.value)}: {one.says}")
        for fault in one.faults:
            console.console.print(f"  [bold red]WRONG: {console.plain(fault)}[/]", soft_wrap=True)
        for payment in one.payments:
            _line(f"    {_payment_line(payment, one.columns)}")
        days = one.full_days
        if days and days.days:
            same = "as" if days.payments == days.payments_of_tiles else "unlike"
            _line(
                f"    full days: {days.payments} payments of any kind on {days.days} days, "
                f"{days.first} to {days.last}, {same} the tiles ({days.payments_of_tiles})"
            )
        for label in one.labels:
            _line(f"    {_label_line(label, one.columns)}")


def _payment_line(payment: Payment, columns: Sequence[str]) -> str:
    line = f"{payment.transaction_id}  {moment(payment.timestamp_us)}"
    return f"{line}  {payment.amount_cents / 100:.2f}{_others(payment, columns)}"


def _label_line(label: Label, columns: Sequence[str]) -> str:
    verdict = "fraud" if label.is_fraud else "legitimate"
    line = f"{label.payment.transaction_id}  {verdict}, known {moment(label.labelled_at_us)}"
    return line + _others(label.payment, columns)


def _others(payment: Payment, columns: Sequence[str]) -> str:
    ids = {"merchant_id": payment.merchant_id, "device_id": payment.device_id or "unknown"}
    found = {name: ids[name] if name in ids else shown(payment.value(name)) for name in columns}
    return "".join(f"  {name} {value}" for name, value in found.items())


def _line(text: str) -> None:
    console.console.print(console.plain(text), soft_wrap=True)
