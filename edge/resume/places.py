"""Which endpoint made what later requests refer to: a response lives in the account that made it, a voice session's
handle in its project. Of the latest so many; the one not used for longest is forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from transport.path import Path

MOST = 50_000
"""About 150 bytes each."""


def place_key(provider: str, name: str, owner: bytes = b"") -> bytes:
    """A digest under which nodes may share it."""
    return blake2b(f"{provider}\0{name}\0".encode() + owner, digest_size=16).digest()


class Places:
    """Digests to endpoint ids."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, key: bytes, endpoint: str) -> bool:
        """True: it wasn't known so."""
        was = self._known.get(key)
        self._known[key] = endpoint
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return was != endpoint

    def find(self, key: bytes) -> str | None:
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found


def kept_to(paths: Sequence[Path], endpoint: str, is_same: Callable[[str, str], bool]) -> tuple[Path, ...]:
    """The paths to the endpoint, then those to others that are the same account; all, if the endpoint is gone."""
    at_home = [path for path in paths if path.endpoint == endpoint]
    if not at_home:
        return tuple(paths)
    return (*at_home, *(path for path in paths if path.endpoint != endpoint and is_same(path.endpoint, endpoint)))


def preferred(paths: Sequence[Path], endpoint: str) -> tuple[Path, ...]:
    """All paths, those to the endpoint first."""
    return tuple(sorted(paths, key=lambda path: path.endpoint != endpoint))
