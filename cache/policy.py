"""May this request be answered from the cache, may its reply be stored, for how long, and in whose scope?

`judge` looks at the request before anything is sent, `refusal` at the reply after it has ended, `is_usable` at what was
found. All three are pure: the clock is an argument.
"""

from __future__ import annotations

from msgspec import Struct

from cache.canonical import Uncacheable, read
from cache.directives import PLAIN, Directives, Wish, directives_of, parse_control
from cache.entry import Entry
from cache.key import Key, key_of
from cache.nature import GENERATION, WITHOUT_CHANCE, Nature, nature_of
from cache.question import Question
from cache.rules import NOTHING, Rule, Rules
from transport.message import Headers, header


class Decision(Struct, frozen=True):
    """What to do about one request. `key` is None where the cache has no part in it; `reason` says why, from a closed
    set (safe as a metrics label)."""

    reason: str
    key: Key | None = None
    may_look_up: bool = False
    may_store: bool = False
    may_share: bool = False  # join, or lead, an exchange in flight
    is_only: bool = False  # a miss is a 504: nothing is to be sent (RFC 9111 §5.2.1.7)
    directives: Directives = PLAIN
    rule: Rule = NOTHING


class Reply(Struct, frozen=True):
    """How a reply went, as the edge's meter of it knows.

    `is_complete`: its own end was seen, and that end was no error event. `headers` are those of the stored form: no
    content-encoding. `is_substitute`: another model, provider or pool answered than the request named.
    """

    status: int
    headers: Headers
    size_bytes: int
    is_complete: bool
    has_tool_calls: bool = False
    is_truncated: bool = False
    is_substitute: bool = False


def judge(question: Question, rules: Rules) -> Decision:
    """Decides about a request whose whole body is known. Raises BadDirective (the caller's mistake: a 400)."""
    directives = directives_of(question.headers)
    is_only = directives.wish is Wish.ONLY
    reason = _excluded(question, rules, directives)
    if reason is not None:
        return Decision(reason, is_only=is_only, directives=directives)
    rule = rules.rule_for(question)
    if rule.what == "none":
        return Decision("rule", is_only=is_only, directives=directives, rule=rule)
    if len(question.body) > rule.largest_request_bytes:
        return Decision("request too large", is_only=is_only, directives=directives, rule=rule)
    try:
        reading = read(question.body)
        reason = _by_nature(nature_of(question, reading.document, reading.is_remote), rule)
        if reason is not None:
            return Decision(reason, is_only=is_only, directives=directives, rule=rule)
        key = key_of(question, reading.document, rule.scope == "shared", rule.headers)
    except Uncacheable as why:
        return Decision(str(why), is_only=is_only, directives=directives, rule=rule)
    refreshes = directives.wish is Wish.REFRESH
    return Decision(
        directives.wish.value,
        key,
        may_look_up=not refreshes,
        may_store=not is_only,
        may_share=directives.wish is Wish.USE,
        is_only=is_only,
        directives=directives,
        rule=rule,
    )


def _excluded(question: Question, rules: Rules, directives: Directives) -> str | None:
    """Reasons that need no look into the body."""
    if directives.wish is Wish.BYPASS:
        return "bypass"
    if question.is_sensitive:
        return "sensitive"
    if rules.keeps_nothing_of(question):
        return "zero retention"
    if question.method != b"POST" or question.operation not in GENERATION | WITHOUT_CHANCE:
        return "operation"
    return None


def _by_nature(nature: Nature, rule: Rule) -> str | None:
    if nature.effect is not None:
        return nature.effect
    if nature.outside is not None and not rule.outside:
        return nature.outside
    return None if nature.is_deterministic or rule.what == "all" else "not deterministic"


def refusal(decision: Decision, reply: Reply) -> str | None:
    """Why this reply is not stored; None if it may be."""
    rule = decision.rule
    if decision.key is None or not decision.may_store:
        return decision.reason
    if reply.status != 200:
        return "status"
    if not reply.is_complete:
        return "incomplete"
    if reply.is_substitute:
        return "another model"
    if reply.is_truncated and not rule.truncated:
        return "truncated"
    if reply.has_tool_calls and not rule.tool_calls:
        return "tool calls"
    if reply.size_bytes > rule.largest_reply_bytes:
        return "reply too large"
    return _forbidden(reply.headers, rule)


def _forbidden(headers: Headers, rule: Rule) -> str | None:
    if header(headers, b"content-encoding") not in (None, b"identity"):
        return "encoded"
    if rule.obeys_reply:
        said = parse_control(b",".join(value for name, value in headers if name == b"cache-control"))
        if b"no-store" in said or (b"private" in said and rule.scope == "shared"):
            return "reply's Cache-Control"
    return None


def is_usable(decision: Decision, entry: Entry, now_utc: float) -> bool:
    """May `entry`, found under the decision's key, answer? It must be fresh, and as fresh as the caller asks."""
    asked = decision.directives
    if now_utc + asked.min_fresh >= entry.expires_at_utc:
        return False
    if entry.created_at_utc + decision.rule.ttl <= now_utc:
        return False  # the rule has become stricter since
    return asked.max_age is None or entry.age(now_utc) <= asked.max_age
