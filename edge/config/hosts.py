"""Hosts that look like a provider's but aren't: a typo here would send credentials to a stranger."""

from __future__ import annotations

from edge.config.presets import AZURE_DOMAINS, PRESETS

_REAL = frozenset(("api.z.ai",))  # near to a known host, and another vendor's own
_KNOWN = frozenset(endpoint.host for provider in PRESETS for endpoint in provider.endpoints)
_REACH = 2  # edits


def resembled(host: str) -> str | None:
    """The known provider host that `host` could be mistaken for, or None; the real ones resemble nobody."""
    host = host.lower().rstrip(".")
    if host in _REAL or any(host == domain or host.endswith(f".{domain}") for domain in (*_KNOWN, *AZURE_DOMAINS)):
        return None
    return next((known for known in sorted(_KNOWN) if _confusable(host, known)), None) or _near_azure(host)


def _confusable(host: str, known: str) -> bool:
    return host.startswith(f"{known}.") or f".{known}." in host or distance(host, known) <= _REACH


def _near_azure(host: str) -> str | None:
    """Azure's hosts are `resource.domain`: compare as many last labels as the domain has."""
    labels = host.split(".")
    for domain in AZURE_DOMAINS:
        tail = ".".join(labels[-domain.count(".") - 1 :])
        if len(labels) > domain.count(".") + 1 and distance(tail, domain) <= _REACH:
            return f"*.{domain}"
    return None


def distance(one: str, other: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) from one string to the other: optimal string alignment."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
