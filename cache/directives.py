"""What the caller says about caching: `x-farline-cache`, and `Cache-Control` in the words of RFC 9111 §5.2.1.

| caller | looked up | stored | shares an exchange in flight |
|---|---|---|---|
| `x-farline-cache: bypass`, `Cache-Control: no-store` | no | no | no |
| `x-farline-cache: refresh`, `Cache-Control: no-cache` or `max-age=0`, `Pragma: no-cache` | no | yes | no |
| `x-farline-cache: only`, `Cache-Control: only-if-cached` | yes | – | no |
| `Cache-Control: max-age=N`, `min-fresh=N` | if its age and the rest of its life allow | yes | yes |
"""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

from transport.message import Headers

_LONGEST = 2**31  # RFC 9111 §1.2.2: more seconds than this mean this


class Wish(Enum):
    """What is to be done with the cache."""

    USE = "use"
    BYPASS = "bypass"
    REFRESH = "refresh"
    ONLY = "only"


class BadDirective(Exception):
    """The caller's `x-farline-cache` is none of the known words; `args[0]` is a sentence for the caller (a 400)."""


class Directives(Struct, frozen=True, gc=False):
    """`max_age` and `min_fresh` in seconds."""

    wish: Wish = Wish.USE
    max_age: int | None = None
    min_fresh: int = 0


PLAIN = Directives()
_FIELDS = frozenset((b"x-farline-cache", b"cache-control", b"pragma"))
_WORDS = {b"bypass": Wish.BYPASS, b"refresh": Wish.REFRESH, b"only": Wish.ONLY}
_DIRECTIVE = re.compile(rb'([a-z-]+)(?:=(?:"([^"]*)"|([^\s,"]*)))?')


def directives_of(headers: Headers) -> Directives:
    """What the headers ask for; the stricter word wins. Raises BadDirective."""
    fields = [field for field in headers if field[0] in _FIELDS]
    if not fields:
        return PLAIN
    ours = [value.strip().lower() for name, value in fields if name == b"x-farline-cache"]
    control = b",".join(value for name, value in fields if name == b"cache-control")
    if len(ours) > 1 or any(word not in _WORDS for word in ours):
        raise BadDirective("x-farline-cache: bypass, refresh or only")
    said = parse_control(control)
    if not control and any(name == b"pragma" and b"no-cache" in value.lower() for name, value in fields):
        said[b"no-cache"] = None  # RFC 9111 §5.4: only where there is no Cache-Control
    max_age = _seconds(said, b"max-age")
    return Directives(_wish(_WORDS[ours[0]] if ours else Wish.USE, said, max_age), max_age, _fresh(said))


def parse_control(value: bytes) -> dict[bytes, bytes | None]:
    """A Cache-Control value's directives, lower-case, each with its argument; of repeated ones the first."""
    found: dict[bytes, bytes | None] = {}
    for match in _DIRECTIVE.finditer(value.lower()):
        found.setdefault(match[1], match[2] if match[3] is None else match[3])
    return found


def _wish(ours: Wish, said: dict[bytes, bytes | None], max_age: int | None) -> Wish:
    if ours is Wish.BYPASS or b"no-store" in said:
        return Wish.BYPASS
    fresh_wanted = ours is Wish.REFRESH or b"no-cache" in said or max_age == 0
    if ours is Wish.ONLY or b"only-if-cached" in said:
        if ours is Wish.REFRESH:
            raise BadDirective("x-farline-cache: refresh contradicts Cache-Control: only-if-cached")
        return Wish.ONLY
    return Wish.REFRESH if fresh_wanted else Wish.USE


def _fresh(said: dict[bytes, bytes | None]) -> int:
    return _seconds(said, b"min-fresh") or 0


def _seconds(said: dict[bytes, bytes | None], name: bytes) -> int | None:
    """An unreadable argument counts as 0: the strict side (RFC 9111 §4.2.1)."""
    if name not in said:
        return None
    text = said[name] or b""
    return min(int(text), _LONGEST) if text.isdigit() and len(text) < 20 else (0 if name == b"max-age" else _LONGEST)
