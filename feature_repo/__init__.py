"""The Feast repository, made from the feature catalogue, and the one way to write online views.

README.md says what is in it and how a Feast client reads it.
"""
