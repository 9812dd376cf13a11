"""The operator's rules: what may be cached, for how long, and for whom. The first rule that fits a request decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cache.question import Question

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Patterns are shell-like (`gpt-4*`), compared with case; an empty tuple fits everything.

    `what`: "deterministic" (temperature 0, a seed, embeddings), "all", or "none".
    `scope`: "tenant", or "shared": answers go from one tenant to another. Only for content that is no secret.
    """

    operations: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    what: str = "deterministic"
    scope: str = "tenant"
    ttl: float = HOUR
    largest_reply_bytes: int = 4 * 1024 * 1024
    largest_request_bytes: int = 1024 * 1024  # reading a longer one for its key takes tens of milliseconds
    tool_calls: bool = False  # store replies that call tools: the client will run them again
    truncated: bool = False  # store replies that ended at their token limit
    outside: bool = False  # requests whose answer depends on URLs, files, searches or earlier responses
    obeys_reply: bool = True  # the reply's own `Cache-Control: no-store`, and `private` where the scope is shared
    headers: tuple[bytes, ...] = ()  # further header fields that are part of the key, lower-case
    similar: str = "off"  # "normalised", or "semantic" as well: may a like question's answer do? docs/similar.md
    similarity: float | None = None  # at least this much, for "semantic"; None: what suits the embedder
    is_shadow: bool = True  # only say what would have been answered

    def fits(self, question: Question) -> bool:
        """Is this rule for such requests? Tenants are compared without the digest of their own credential."""
        return (
            _fits(self.operations, question.operation)
            and _fits(self.providers, question.provider)
            and _fits(self.models, question.model)
            and _fits(self.tenants, question.tenant.partition("+")[0])
            and _fits(self.paths, question.target.partition(b"?")[0].decode("latin-1"))
        )


NOTHING = Rule(what="none")
DEFAULT_RULES = (Rule(operations=("embeddings", "embed", "count_tokens", "moderations"), ttl=24 * HOUR), Rule())


@dataclass(frozen=True, slots=True)
class Rules:
    """Immutable; one per configuration."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    zero_retention: frozenset[str] = field(default_factory=frozenset)  # tenants of whom nothing is ever kept
    only_deterministic: bool = field(init=False)  # no rule takes drawn answers
    largest_request_bytes: int = field(init=False)  # of all rules

    def __post_init__(self) -> None:
        object.__setattr__(self, "only_deterministic", all(rule.what != "all" for rule in self.rules))
        largest = max((rule.largest_request_bytes for rule in self.rules), default=0)
        object.__setattr__(self, "largest_request_bytes", largest)

    def rule_for(self, question: Question) -> Rule:
        """The first rule that fits; NOTHING if none does."""
        return next((rule for rule in self.rules if rule.fits(question)), NOTHING)

    def keeps_nothing_of(self, question: Question) -> bool:
        return question.is_zero_retention or question.tenant.partition("+")[0] in self.zero_retention


def _fits(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
