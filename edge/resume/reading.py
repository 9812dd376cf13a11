"""One reader's place in a recording."""

from __future__ import annotations

from edge.resume.later import Later
from edge.resume.recording import Recording


class Reading:
    """`more` until `is_at_end`. Raises ValueError: events after the number `after` are no longer here."""

    __slots__ = ("_first", "_later", "_position", "recording")

    def __init__(self, recording: Recording, after: int) -> None:
        self.recording = recording
        self._later = Later(after, is_cut=recording.begins > 0)
        self._position = recording.ends
        self._first = self._later.feed(recording.since(recording.begins) or b"")
        if self._later.has_gap:
            raise ValueError("events between are no longer here")

    def more(self) -> bytes | None:
        """What has come and wasn't read; None: some of it is gone, since it wasn't read in time."""
        data = self.recording.since(self._position)
        if data is None:
            return None
        self._position += len(data)
        first, self._first = self._first, b""
        return first + self._later.feed(data) if data else first

    @property
    def is_at_end(self) -> bool:
        """Nothing more comes after what was read."""
        return self.recording.is_over and self._position == self.recording.ends
