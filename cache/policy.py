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
from cache.nature import OPERATIONS, Nature, may_be_deterministic, nature_of
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
    wish, rule = directives.wish, NOTHING
    try:
        _exclude(question, rules, directives)
        rule = rules.rule_for(question)
        key = _key(question, rule)
    except Uncacheable as why:
        return Decision(str(why), is_only=wish is Wish.ONLY, directives=directives, rule=rule)
    return Decision(
        wish.value,
        key,
        may_look_up=wish is not Wish.REFRESH,
        may_store=wish is not Wish.ONLY,
        may_share=wish is Wish.USE,
        is_only=wish is Wish.ONLY,
        directives=directives,
        rule=rule,
    )


def _key(question: Question, rule: Rule) -> Key:
    """Raises Uncacheable; what is cheap to find out comes first."""
    if rule.what == "none":
        raise Uncacheable("rule")
    if len(question.body) > rule.largest_request_bytes:
        raise Uncacheable("request too large")
    if rule.what == "deterministic" and not may_be_deterministic(question):
        raise Uncacheable("not deterministic")
    reading = read(question.body)
    _check_nature(nature_of(question, reading.document, reading.is_remote), rule)
    return key_of(question, reading.document, rule.scope == "shared", rule.headers)


def _exclude(question: Question, rules: Rules, directives: Directives) -> None:
    """Raises Uncacheable for reasons that need no look at rules or body."""
    if directives.wish is Wish.BYPASS:
        raise Uncacheable("bypass")
    if question.is_sensitive:
        raise Uncacheable("sensitive")
    if rules.keeps_nothing_of(question):
        raise Uncacheable("zero retention")
    if question.method != b"POST" or question.operation not in OPERATIONS:
        raise Uncacheable("operation")


def _check_nature(nature: Nature, rule: Rule) -> None:
    if nature.effect is not None:
        raise Uncacheable(nature.effect)
    if nature.outside is not None and not rule.outside:
        raise Uncacheable(nature.outside)
    if not nature.is_deterministic and rule.what != "all":
        raise Uncacheable("not deterministic")


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
