"""Where data may go: the regions of the endpoints that may see a request. Fails closed: an endpoint that doesn't say
where it stands is nowhere that is allowed."""

from __future__ import annotations

from collections.abc import Iterable

from edge.config.model import ClientKey, Model


class Residency:
    """The rules of [[model]] and [[key]]. Immutable; made once per snapshot."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._rules: dict[str, dict[str, frozenset[str]]] = {}  # provider → model, under both its names → regions
        for model in models:
            if model.regions:
                rules = self._rules.setdefault(model.provider, {})
                for name in (model.name, model.upstream):
                    if name is not None:
                        rules[name] = frozenset(model.regions) & rules.get(name, frozenset(model.regions))

    def allowed(self, key: ClientKey | None, provider: str, model: str | None) -> frozenset[str] | None:
        """The regions that all rules allow such a request; None: anywhere. A request whose model can't be told is under
        the rules of all of the provider's models."""
        of_key = frozenset(key.regions) if key is not None and key.regions else None
        rules = self._rules.get(provider)
        if rules is None:
            return of_key
        if model is None:
            of_model: frozenset[str] | None = frozenset.intersection(*rules.values())
        else:
            of_model = rules.get(model)
        if of_key is None or of_model is None:
            return of_model if of_key is None else of_key
        return of_key & of_model
