"""Streams as they went by, kept for clients that come back, and who follows them.

    recording = recordings.begin(owner);  recording.add(chunk)…;  recording.end(is_whole=…, now=…)
    recordings.find(owner, id)            → a recording that has its response's id
    recording.follow(follower)            is told of all that comes; `since` gives it what it doesn't have

Bounded in bytes: of all, and of one stream a sixteenth of that, of which the oldest go first. Bounded in seconds after
a stream's end. A stream that didn't end as it should is forgotten at once: nobody can go on with it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol as Interface

from edge.resume.later import first_event, response_of

OVERHEAD = 64
"""Bytes that a chunk takes beside its own."""
ONE_OF = 16
"""One stream takes at most this part of all bytes."""
FIRST_EVENT_BYTES = 1 << 20
"""A response's id is looked for in the first event, which repeats the tools and instructions of the request."""


class Follower(Interface):
    """Who reads along."""

    def on_more(self) -> None:
        """More has come, or it is over."""


class Recording:
    """One stream. `on_change` is called when somebody begins or ends to follow."""

    __slots__ = ("_chunks", "_owner", "_store", "begins", "ends", "followers", "id", "is_over", "is_whole", "on_change")

    def __init__(self, store: Recordings, owner: bytes) -> None:
        self._store = store
        self._owner = owner
        self._chunks: deque[bytes] = deque()
        self.begins = 0  # offsets in the stream
        self.ends = 0
        self.id: str | None = None
        self.is_over = False
        self.is_whole = False
        self.followers: tuple[Follower, ...] = ()
        self.on_change: Callable[[], None] = _nothing

    @property
    def key(self) -> tuple[bytes, str]:
        assert self.id is not None
        return self._owner, self.id

    @property
    def size(self) -> int:
        return self.ends - self.begins + OVERHEAD * len(self._chunks)

    def add(self, data: bytes) -> None:
        """Per chunk."""
        if self.is_over:
            return
        self._chunks.append(data)
        self.ends += len(data)
        self._store.grown(self, len(data) + OVERHEAD)
        if self.id is None:
            self._look_for_id()
        for follower in self.followers:
            follower.on_more()

    def _look_for_id(self) -> None:
        head = self.since(0) or b""
        event = first_event(head)
        if event is not None:
            self.id = response_of(event)
        if self.id is not None:
            self._store.named(self)
        elif event is not None or self.begins or len(head) > FIRST_EVENT_BYTES:
            self.end(0.0, is_whole=False)  # no Responses stream, whatever it is

    def end(self, now: float, *, is_whole: bool) -> None:
        """Nothing more comes; only the first call counts."""
        if self.is_over:
            return
        self.is_over, self.is_whole = True, is_whole
        if is_whole and self.id is not None:
            self._store.done(self, now)
        else:
            self._store.drop(self)
        for follower in self.followers:
            follower.on_more()

    def since(self, position: int) -> bytes | None:
        """What came from an offset on; None: not all of it is here any more."""
        if position < self.begins:
            return None
        missing, found = self.ends - position, []
        for chunk in reversed(self._chunks):
            if missing <= 0:
                break
            found.append(chunk)
            missing -= len(chunk)
        return b"".join(reversed(found))[-missing if missing < 0 else 0 :]

    def follow(self, follower: Follower) -> None:
        self.followers += (follower,)
        self.on_change()

    def leave(self, follower: Follower) -> None:
        if follower in self.followers:
            self.followers = tuple(each for each in self.followers if each is not follower)
            self.on_change()

    def drop_oldest(self) -> int:
        """Forgets the oldest chunk; the bytes that this saves."""
        chunk = self._chunks.popleft()
        self.begins += len(chunk)
        return len(chunk) + OVERHEAD

    def clear(self) -> None:
        self._chunks.clear()
        self.begins = self.ends


def _nothing() -> None:
    return


class Recordings:
    """All of a process. `total_bytes` 0: nothing is kept."""

    def __init__(self, total_bytes: int, seconds: float) -> None:
        self._by_key: dict[tuple[bytes, str], Recording] = {}
        self._done: OrderedDict[Recording, float] = OrderedDict()  # and when they ended
        self.size = 0
        self.configure(total_bytes, seconds)

    def configure(self, total_bytes: int, seconds: float) -> None:
        """`seconds`: how long a stream is kept after its end."""
        self._total_bytes = total_bytes
        self._seconds = seconds

    def __len__(self) -> int:
        """Those that can be found."""
        return len(self._by_key)

    def begin(self, owner: bytes, now: float) -> Recording | None:
        """A new one; None if nothing is kept."""
        self.forget_old(now)
        return Recording(self, owner) if self._total_bytes and self._seconds else None

    def find(self, owner: bytes, id: str, now: float) -> Recording | None:
        self.forget_old(now)
        return self._by_key.get((owner, id))

    def forget_old(self, now: float) -> None:
        """Those whose time is over."""
        while self._done and (oldest := next(iter(self._done.items())))[1] + self._seconds <= now:
            self.drop(oldest[0])

    # --- what recordings say ---

    def named(self, recording: Recording) -> None:
        self._by_key[recording.key] = recording

    def done(self, recording: Recording, now: float) -> None:
        self._done[recording] = now

    def drop(self, recording: Recording) -> None:
        """It can't be found any more. Who follows it has all of it by now, or never will."""
        self.size -= recording.size
        recording.clear()
        self._done.pop(recording, None)
        if recording.id is not None and self._by_key.get(recording.key) is recording:
            del self._by_key[recording.key]

    def grown(self, recording: Recording, size: int) -> None:
        self.size += size
        while recording.size > self._total_bytes // ONE_OF:
            self.size -= recording.drop_oldest()
        while self.size > self._total_bytes and self._done:
            self.drop(next(iter(self._done)))
        while self.size > self._total_bytes and recording.size:
            self.size -= recording.drop_oldest()
