"""Split, fit, threshold, evaluate, bundle: pure functions that know nothing of Dagster."""
