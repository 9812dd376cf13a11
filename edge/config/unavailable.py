"""Parts of the design that this version does not have. Building one means removing its row here."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config.fault import KeyPath


@dataclass(frozen=True, slots=True)
class Absent:
    """`key` names a section or key without indices; `value` None means any value. `expected` is what to write now."""

    key: tuple[str, ...]
    value: str | None = None
    expected: str = ""


ABSENT = (
    Absent(("relay",)),
    Absent(("edge",)),
    Absent(("budget",)),
    Absent(("privacy",)),
    Absent(("node", "role"), "relay", '"edge"'),
    Absent(("node", "key")),
    Absent(("listen", "session")),
)


def absent(path: KeyPath, value: object) -> Absent | None:
    """The row that says this value is not available yet, if there is one."""
    key = tuple(part for part in path if isinstance(part, str))
    return next((row for row in ABSENT if row.key == key and row.value in (None, value)), None)
