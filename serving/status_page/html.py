"""HTML from Python: whatever is not markup already is escaped."""

from html import escape


class Html(str):
    """Text that is markup, made by `el`."""

    __slots__ = ()


_VOID = {"meta", "link", "br"}


def el(name: str, /, *children: str, **attributes: str | int | None) -> Html:
    """An element; None leaves an attribute out.

    An attribute's underscores are hyphens, and one at its end goes: `class_`, `aria_hidden`.
    """
    made = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{made}>")
    return Html(f"<{name}{made}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """The parts, those that are no markup escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children))
