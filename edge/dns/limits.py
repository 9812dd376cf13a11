"""How many answers by UDP one network gets: a forged sender's address must not make this node flood somebody.

A token bucket for each network (/24, /56), and one for all: what comes beyond that isn't even read. Beyond its own,
every other query of a network gets an empty, truncated reply, no larger than itself: who really asked comes again by
TCP. (Vixie, Schryver, "DNS Response Rate Limiting", 2012.)
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

MOST = 10_000
"""Networks that are remembered."""
BURST = 2.0
"""Seconds' worth of answers at once."""
ALL = 10.0
"""Networks' worth of answers for all together."""
_PREFIX = {4: 8, 6: 72}  # bits of an address that don't count


class Verdict(Enum):
    ANSWER = "answer"
    TRUNCATE = "truncate"
    DROP = "drop"


class Bucket:
    """Fills with `rate` tokens per second."""

    __slots__ = ("_at", "_left", "_most", "_rate", "beyond")

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._most = rate, max(rate * BURST, 1.0)
        self._left, self._at = self._most, now
        self.beyond = 0

    def take(self, now: float) -> bool:
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            self.beyond += 1
            return False
        self._left -= 1.0
        return True


class Limits:
    """`rate`: answers per second; 0: no bound."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._all = Bucket(rate * ALL, now)
        self._networks: OrderedDict[tuple[int, int], Bucket] = OrderedDict()

    def judge(self, address: IPv4Address | IPv6Address, now: float) -> Verdict:
        if not self._rate:
            return Verdict.ANSWER
        if not self._all.take(now):
            return Verdict.DROP
        key = (address.version, int(address) >> _PREFIX[address.version])
        bucket = self._networks.pop(key, None) or Bucket(self._rate, now)
        self._networks[key] = bucket
        if len(self._networks) > MOST:
            self._networks.popitem(last=False)
        if bucket.take(now):
            return Verdict.ANSWER
        return Verdict.TRUNCATE if bucket.beyond % 2 else Verdict.DROP
