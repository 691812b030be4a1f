"""The metrics and labels that a PromQL expression names."""

import re
from typing import NamedTuple

_GROUPED = ("by", "without", "on", "ignoring", "group_left", "group_right")
_WORDS = {*_GROUPED, "offset", "bool", "and", "or", "unless"}
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*\{([^}]*)\}")
_GROUPING = re.compile(rf"\b(?:{'|'.join(_GROUPED)})\s*\(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"(?<![\w.:$])([A-Za-z_:][\w:]*)(?!\w|\s*\()")


class Named(NamedTuple):
    """`labels` are those in a metric's own braces; `grouped` those that the whole groups by."""

    metrics: set[str]
    labels: dict[str, set[str]]
    grouped: set[str]


def named(expression: str) -> Named:
    """What an expression names; it need not be right otherwise."""
    text = re.sub(r'"[^"]*"', '""', expression)
    labels: dict[str, set[str]] = {}
    for metric, selector in _SELECTOR.findall(text):
        labels.setdefault(metric, set()).update(_LABEL.findall(selector))
    grouped = {
        label.strip()
        for group in _GROUPING.findall(text)
        for label in group.split(",")
        if label.strip()
    }
    bare = re.sub(r"\[[^\]]*\]|\{[^}]*\}", "", _GROUPING.sub("", text))
    bare = re.sub(r"\b\d[\w.]*", "", bare)
    return Named(set(_NAME.findall(bare)) - _WORDS, labels, grouped)
