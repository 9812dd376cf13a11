"""Which entries are to go: one, a model's, a tenant's, all whose name begins in some way, or all."""

from __future__ import annotations

from dataclasses import dataclass

from cache.key import Key


@dataclass(frozen=True, slots=True)
class Purge:
    """All that is given must agree; nothing given means all entries.

    `prefix` is compared with `provider/model/digest`. `tenant` is the caller's id (all its credentials), or `*` for
    what rules share between tenants.
    """

    digest: bytes | None = None
    model: str | None = None
    tenant: str | None = None
    prefix: str | None = None

    def fits(self, key: Key) -> bool:
        return (
            self.digest in (None, key.digest)
            and self.model in (None, key.model)
            and self.tenant in (None, key.tenant, key.tenant.partition("+")[0])
            and (self.prefix is None or key.name.startswith(self.prefix))
        )
