"""Which features can only speak for fraud: for XGBoost's monotone constraints."""

from collections.abc import Sequence

from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelRate,
    LastLabel,
)
from fraud_platform.features.plan import Catalogue


def constraints(features: Sequence[str], catalogue: Catalogue = CATALOGUE) -> dict[str, int]:
    """Of `features` those with an obvious direction: 1 where the score may only rise with it.

    Obvious is what a declaration means, not what some data showed: more known frauds and something
    seen for the first time never speak for a payment. Amounts and counts have no direction.
    """
    return {name: 1 for name in features if name in catalogue.names and _rises(catalogue[name])}


def _rises(feature: Feature) -> bool:
    match feature:
        case LabelRate() | LastLabel() | FirstSeen():
            return True
        case FraudRun(of=of) | LabelCount(of=of):
            return of == "frauds"
    return False
