"""Accept-Encoding (RFC 9110 §12.5.3): which coding a client wants, of those that can be had."""

from __future__ import annotations

import re
from functools import lru_cache

_ELEMENT = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


@lru_cache(256)
def choose(accept_encoding: bytes, order: tuple[bytes, ...]) -> bytes | None:
    """The coding that the client likes best; of those that it likes alike, the first of `order`. None: as it is.

    Who rates `identity` higher than a coding gets none. An element that makes no sense counts for nothing.
    """
    told = _weights(accept_encoding)
    other = told.get(b"*", 0.0)
    weights = [(told.get(coding, other), coding) for coding in order]
    best = max((weight for weight, _ in weights), default=0.0)
    if best <= 0.0 or told.get(b"identity", 0.0) > best:
        return None
    return next(coding for weight, coding in weights if weight == best)


def _weights(accept_encoding: bytes) -> dict[bytes, float]:
    found: dict[bytes, float] = {}
    for element in accept_encoding.split(b","):
        match = _ELEMENT.fullmatch(element.strip(b" \t"))
        if match is not None:
            name = match[1].lower()
            found[b"gzip" if name == b"x-gzip" else name] = float(match[2] or b"1")
    return found
