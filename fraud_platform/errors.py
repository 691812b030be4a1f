"""The exceptions that a user is meant to read."""


class PredictFlowError(Exception):
    """A fault that the caller can mend; its text names the thing, the value and the mend.

    The command line prints the text without a traceback and exits with status 1; inside Dagster it
    becomes the failure's description.
    """


class UnavailableError(PredictFlowError):
    """A fault of the moment: a rival writer, a full disk, a store that is away. It may pass."""
