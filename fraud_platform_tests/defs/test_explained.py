"""What is tried again, and what is not."""

import dagster as dg
import pytest

from fraud_platform.defs.checks import explained
from fraud_platform.errors import PredictFlowError, UnavailableError


def test_a_fault_that_only_a_person_can_mend_is_not_tried_again() -> None:
    with pytest.raises(dg.Failure) as failure, explained():
        raise PredictFlowError("no such file")
    assert failure.value.description == "no such file"
    assert not failure.value.allow_retries


def test_a_fault_of_the_moment_is_left_to_the_retry_policy() -> None:
    with pytest.raises(UnavailableError), explained():
        raise UnavailableError("another writer was faster")
