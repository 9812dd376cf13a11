"""Operators' controls on disk, so that a restart doesn't undo a drain. (Shell.)"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from edge.control.documents import as_document, from_document
from edge.routing.controls import Controls

log = logging.getLogger("farline.control")


class StateFile:
    """`controls.json` in the node's state directory. Written whole: a crash leaves the old one or the new one."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "controls.json"

    def load(self) -> Controls:
        """What was saved last; none if there is no file. A file that can't be read is set aside and reported."""
        try:
            return from_document(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return Controls()
        except (OSError, ValueError) as error:
            log.error("%s: controls can't be read, lines are as configured: %s", self.path, error)
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_suffix(".unreadable"))
            return Controls()

    def save(self, controls: Controls) -> None:
        """Raises OSError: it is not saved; what was saved before still is."""
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(as_document(controls), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
