"""Client keys: who is asking, and what may they ask for. Keys are compared by their SHA-256 only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from edge.config.model import ClientKey


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request. `key` None: the node has no client keys configured and serves everyone it can hear."""

    id: str
    key: ClientKey | None = None

    def may_use(self, provider: str, model: str | None) -> bool:
        """May this principal reach `provider` (and `model`, where the request names one)?"""
        if self.key is None:
            return True
        if self.key.providers and provider not in self.key.providers:
            return False
        return not self.key.models or model is None or model in self.key.models

    @property
    def is_sensitive(self) -> bool:
        """May only the local pool answer this principal?"""
        return self.key is not None and self.key.data_class == "sensitive"

    @property
    def may_choose_line(self) -> bool:
        return self.key is None or self.key.may_choose_line


ANYONE = Principal("anyone")


class KeyRing:
    """The configured keys, indexed by digest. Immutable; made once per snapshot."""

    def __init__(self, keys: Sequence[ClientKey]) -> None:
        self._principals = {key.sha256: Principal(key.id, key) for key in keys}

    @property
    def is_open(self) -> bool:
        """Are there no keys, so that nobody has to present one?"""
        return not self._principals

    def identify(self, presented: str | None) -> Principal | None:
        """Who holds `presented`; None if nobody does. With no keys configured: ANYONE, whatever is presented."""
        if not self._principals:
            return ANYONE
        if presented is None:
            return None
        return self._principals.get(hashlib.sha256(presented.encode()).hexdigest())
