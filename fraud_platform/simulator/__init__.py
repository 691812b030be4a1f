"""Synthetic users, merchants, devices and frauds, from a seed."""
