"""What the faults of the service need: a model, states, and processes that are ended."""

from fraud_platform_tests.serving.conftest import (
    contexts,
    deploy,
    models,
    run,
    settings,
    stored,
    transaction,
)

__all__ = ["contexts", "deploy", "models", "run", "settings", "stored", "transaction"]
