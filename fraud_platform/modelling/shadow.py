"""The shadow: a bundle that the service scores each request with too, and answers nobody from.

Its pointer lies beside the champion's and is written in the same way (see `bundle.py`).
"""

from pathlib import Path

from fraud_platform.modelling.bundle import clear_pointer, point_at, pointed_at

POINTER = "shadow"


def point_shadow_at(root: Path, bundle: Path) -> None:
    """Puts `bundle`, a directory below `root`, into the shadow, in one rename.

    Raises BundleError where it isn't a whole bundle below `root`, and leaves the pointer alone.
    """
    point_at(root, POINTER, bundle)


def shadow_path(root: Path) -> Path | None:
    """The directory of the bundle in the shadow, or None where there is none.

    Raises BundleError for a pointer that names anything but a directory right below `root`.
    """
    return pointed_at(root, POINTER)


def clear_shadow(root: Path) -> None:
    """Takes out of the shadow what is in it; the bundle itself stays."""
    clear_pointer(root, POINTER)
