"""What Kafka's client raises: what means that the group has put us out, and what waiting mends."""

from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    CorruptRecordError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    SaslAuthenticationFailedError,
    UnknownMemberIdError,
    UnsupportedCodecError,
)

from fraud_platform.errors import PredictFlowError, UnavailableError

FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds before a follower's first retry, and the most that doubling them leads to."""

NOT_A_MEMBER = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
"""How the group refuses a commit of who is not, or not just now, among its members."""

WENT = (IllegalStateError, KeyError, ValueError)
"""What is said of a partition that was taken from us between a look at it and the next step."""

# Everything else that Kafka says may pass.
_LASTING = (
    AuthorizationError,
    CorruptRecordError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
)


def raise_if_lasting(error: Exception) -> None:
    """Raises what only a person can mend; returns where waiting may help."""
    # Kafka's client wraps what a rebalance listener of ours raised.
    cause = error.__cause__ or error
    if isinstance(cause, PredictFlowError) and not isinstance(cause, UnavailableError):
        raise cause
    if isinstance(cause, _LASTING):
        raise error
