"""Who changed what, from where, and what it was before: a JSON line each. (Shell.)"""

from __future__ import annotations

import json
import logging
from collections import deque
from pathlib import Path
from typing import Any

log = logging.getLogger("farline.audit")

KEPT = 1000  # entries in memory
_TAIL_BYTES = 1024 * 1024  # of the file, read on start


class Audit:
    """`audit.jsonl` in the node's state directory, if there is one; always the process's own log, and memory."""

    def __init__(self, directory: str | None) -> None:
        self.path = Path(directory) / "audit.jsonl" if directory else None
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        if self.path is not None:
            self._entries.extend(_tail(self.path))

    def write(self, entry: dict[str, Any]) -> None:
        """Opened anew each time, so that the file may be rotated. A full disk doesn't keep a change from being made."""
        text = json.dumps(entry, ensure_ascii=False)
        log.info("%s", text)
        self._entries.append(entry)
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            log.error("%s: not written: %s", self.path, error)

    def latest(self, count: int) -> list[dict[str, Any]]:
        """Newest first."""
        return list(self._entries)[: -count - 1 : -1]


def _tail(path: Path) -> list[dict[str, Any]]:
    """The file's last entries. What isn't JSON (a line cut by a full disk) is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().splitlines()[-KEPT:]
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [entry for entry in found if isinstance(entry, dict)]
