"""Alerts: told to people once, kept where a target is down, and never in the way of a run."""
