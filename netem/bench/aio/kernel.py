"""TCP congestion controls of this kernel: which there are, and permission to use them in namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = Path("/proc/sys/net/ipv4")
_AVAILABLE = _FOLDER / "tcp_available_congestion_control"
_ALLOWED = _FOLDER / "tcp_allowed_congestion_control"


def available() -> set[str]:
    """What the kernel has loaded."""
    return set(_AVAILABLE.read_text().split())


@contextmanager
def allowed(names: set[str]) -> Iterator[None]:
    """For the while, namespaces may choose these as their default; else only what the machine's owner allows.

    Names that the kernel doesn't have are ignored. Raises OSError without the right to do so.
    """
    before = _ALLOWED.read_text()
    missing = (names & available()) - set(before.split())
    if missing:
        _ALLOWED.write_text(" ".join([*before.split(), *sorted(missing)]))
    try:
        yield
    finally:
        if missing:
            _ALLOWED.write_text(before)
