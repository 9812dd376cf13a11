"""Which farline this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version


def version() -> str:
    """The installed distribution's version; "0+source" for a tree that was never installed."""
    try:
        return distribution_version("farline")
    except PackageNotFoundError:
        return "0+source"
