"""The Dagster side: one file an asset, its checks beside it, and what all of them share."""
