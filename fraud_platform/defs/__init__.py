"""The Dagster side: one file an asset, its checks beside it, and what all of them share."""

import warnings

import dagster as dg

# Dagster marks the parameter beta; the tests hold us to what it does.
warnings.filterwarnings("ignore", ".*`backfill_policy`.*", dg.BetaWarning)
