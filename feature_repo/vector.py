# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""The model's input at the moment of a payment, as a Feast on-demand view over the online views.

It takes lists of rows: a Feast view of single rows (`singleton`) computes the first one only.
"""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feature_repo.meanings import OWNER
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.online import compute_vector
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import VIEWS, State, View

if TYPE_CHECKING:
    from feast import FeatureView, RequestSource
    from feast.on_demand_feature_view import OnDemandFeatureView

VECTOR = "transaction_vector"


def vector_view(
    online: Mapping[str, "FeatureView"], catalogue: Catalogue = CATALOGUE
) -> "OnDemandFeatureView":
    """The on-demand view of a catalogue's features over its online views.

    What Feast calls computes the catalogue of the installed package: Feast refuses to apply another
    one with features that it doesn't have.
    """
    from feast import Field
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.types import Float64

    return OnDemandFeatureView(
        name=VECTOR,
        sources=[*online.values(), payment()],
        # Feast 0.67 forgets the descriptions of these fields when it reads the registry, and then
        # finds that the service's are others: transaction_features has them.
        schema=[Field(name=name, dtype=Float64) for name in catalogue.names],
        mode="python",
        udf=transaction_vector,
        udf_string=inspect.getsource(transaction_vector),
        description="The features of a payment at its own moment, from the online views and the "
        "request. What each feature means, transaction_features says. Ask with "
        "full_feature_names=True.",
        tags={"kept": "computed"},
        owner=OWNER,
    )


def payment() -> "RequestSource":
    """What a request says of the payment, beside user_id and merchant_id, which are join keys."""
    from feast import Field, RequestSource
    from feast.types import Int64, String

    return RequestSource(
        name="payment",
        schema=[
            Field(name="timestamp_us", dtype=Int64, description="When, in microseconds UTC."),
            Field(name="amount_cents", dtype=Int64, description="Amount in cents."),
            Field(name="device_id", dtype=String, description="The device, or None."),
        ],
        description="The payment that is to be decided on.",
        owner=OWNER,
    )


# Feast keeps the text of this function in the registry and runs it from there, so that it refers to
# nothing around it.
def transaction_vector(rows: dict[str, list]) -> dict[str, list]:
    """The features of payments, from the fields of their users and merchants."""
    from feature_repo.vector import vectors

    return vectors(rows)


def vectors(rows: Mapping[str, list[Any]]) -> dict[str, list[float]]:
    """The features by name, by short and by full one: a list with a place for each row.

    `rows` has the fields of the online views as `<view>__<field>`, the request's data and the join
    keys. Raises ValueError where Feast has mixed up fields, and for a row that is there in part.
    """
    # When the view is applied, Feast tries the function with samples and without join keys.
    merchants = rows.get("merchant_id")
    if merchants is None:
        merchants = [""] * len(rows["timestamp_us"])
    else:
        _check_apart(rows)
    states = {view.name: _states(view, rows) for view in VIEWS}
    found = [
        compute_vector(
            Event(timestamp_us=us, amount_cents=cents, merchant_id=merchant, device_id=device),
            {name: column[i] for name, column in states.items()},
        )
        for i, (us, cents, merchant, device) in enumerate(
            zip(
                rows["timestamp_us"],
                rows["amount_cents"],
                merchants,
                rows["device_id"],
                strict=True,
            )
        )
    ]
    columns = [list(column) for column in zip(*found, strict=True)]
    named = dict(zip(CATALOGUE.names, columns, strict=True))
    return named | {f"{VECTOR}__{name}": column for name, column in named.items()}


def _states(view: View, rows: Mapping[str, list[Any]]) -> list[State]:
    columns = [rows[f"{view.name}__{name}"] for name in view.fields]
    return [_state(view, values) for values in zip(*columns, strict=True)]


def _state(view: View, values: tuple[Any, ...]) -> State:
    state = dict(zip(view.fields, values, strict=True))
    missing = [name for name, value in state.items() if value is None]
    if len(missing) == len(state):
        return view.empty
    if missing:
        raise ValueError(
            f"view {view.name}: a row lacks {', '.join(missing)}; it was half written, or for "
            "other features: write the view again"
        )
    return state


def _check_apart(rows: Mapping[str, list[Any]]) -> None:
    """Refuses fields that Feast read into one list, because several views name theirs the same."""
    lists = [id(rows[f"{view.name}__{name}"]) for view in VIEWS for name in view.fields]
    if len(set(lists)) < len(lists):
        raise ValueError(
            f"{VECTOR}: Feast's short names mix up fields of several views, such as as_of_us; ask "
            "with full_feature_names=True"
        )
