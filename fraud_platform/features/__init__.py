"""The feature catalogue, declared once, and what is compiled from it."""
