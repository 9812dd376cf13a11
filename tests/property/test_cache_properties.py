"""Over all requests: a meaningful change changes the key, another spelling doesn't, and tenants never share."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from cache.aio.redis_store import key_in, name_of
from cache.canonical import Uncacheable, read
from cache.entry import Entry, Recorder, Spent
from cache.fields import LEFT_OUT
from cache.flight import Flight, FlightLimits
from cache.key import Key, key_of
from cache.purge import Purge
from cache.replay import parts
from cache.seal import Sealer, Unreadable
from tests.support.cache_values import entry, question
from tests.unit.test_cache_flight import HEAD, LOST, Client

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(NAMES, v, max_size=4), max_leaves=20)
KNOWN = st.sampled_from(
    ["model", "messages", "system", "tools", "tool_choice", "temperature", "top_p", "seed", "stop", "response_format",
     "max_tokens", "reasoning_effort", "n", "logprobs", "contents", "generationConfig"]
)  # fmt: skip
BODIES = st.dictionaries(KNOWN | NAMES, VALUES, max_size=8)
DIALECTS = st.sampled_from(sorted(LEFT_OUT))
SEALERS = [Sealer(), Sealer(bytes(16), os.urandom)]


def digest(body: dict[str, Any] | bytes, **changes: Any) -> bytes:
    asked = question(body, **changes)
    return key_of(asked, read(asked.body).document).digest


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0 but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(BODIES, st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, 2]))
def test_the_spelling_does_not_matter(body: dict[str, Any], chance: Any, ascii_only: bool, indent: int | None) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            names = list(value)
            chance.shuffle(names)
            return {name: shuffled(value[name]) for name in names}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    other = json.dumps(shuffled(body), ensure_ascii=ascii_only, indent=indent).encode()
    assert digest(body) == digest(other)


@given(BODIES, KNOWN | NAMES, VALUES, DIALECTS)
def test_any_change_of_a_meaningful_member_changes_the_key(
    body: dict[str, Any], name: str, value: Any, dialect: str
) -> None:
    assume(name not in LEFT_OUT[dialect])
    changed = body | {name: value}
    assume(not same(changed, body))
    assert digest(changed, dialect=dialect) != digest(body, dialect=dialect)


@given(BODIES, DIALECTS, st.data())
def test_members_left_out_never_matter(body: dict[str, Any], dialect: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(LEFT_OUT[dialect])))
    assert digest(body | {name: data.draw(VALUES)}, dialect=dialect) == digest(body, dialect=dialect)


@given(BODIES, st.text(max_size=10), st.text(max_size=10))
def test_two_tenants_never_share(body: dict[str, Any], one: str, other: str) -> None:
    assume(one != other)
    clean = [name.encode("utf-8", "replace").decode() for name in (one, other)]
    assume(clean[0] != clean[1])
    assert digest(body, tenant=clean[0]) != digest(body, tenant=clean[1])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        reading = read(body)
    except Uncacheable:
        return
    assert isinstance(reading.document, dict)


@given(st.lists(st.tuples(NAMES, NUMBERS), min_size=2, max_size=6))
def test_duplicates_are_always_found(pairs: list[tuple[str, Any]]) -> None:
    text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
    try:
        read(text.encode())
    except Uncacheable:
        assert len({name for name, _ in pairs}) < len(pairs)
    else:
        assert len({name for name, _ in pairs}) == len(pairs)


ENTRIES = st.builds(
    lambda chunks, ms, stream, headers: Entry(
        200, tuple(headers), b"".join(chunks), tuple(zip(map(len, chunks), ms, strict=False)), stream, Spent(), 1.0, 2.0
    ),
    st.lists(st.binary(max_size=30), max_size=8),
    st.lists(st.integers(0, 10_000), min_size=8, max_size=8).map(sorted),
    st.booleans(),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3),
)


@given(ENTRIES, st.binary(min_size=32, max_size=32), st.sampled_from(SEALERS))
def test_sealing_loses_nothing(one: Entry, digest: bytes, sealer: Sealer) -> None:
    assert sealer.open(sealer.seal(one, digest), digest) == one


@given(ENTRIES)
def test_replay_gives_the_body(one: Entry) -> None:
    assert b"".join(data for _, data in parts(one)) == one.body
    due = [at for at, _ in parts(one)]
    assert due == sorted(due)


@given(st.binary(max_size=300), st.sampled_from(SEALERS), st.booleans())
def test_any_bytes_are_no_entry(blob: bytes, sealer: Sealer, with_head: bool) -> None:
    head = sealer.seal(entry(), bytes(32))[:10] if with_head else b""
    try:
        sealer.open(head + blob, bytes(32))
    except Unreadable:
        return
    raise AssertionError("opened")


@given(st.lists(st.tuples(st.binary(max_size=20), st.floats(0, 100)), max_size=10), st.integers(0, 100))
def test_recorders_keep_all_or_nothing(chunks: list[tuple[bytes, float]], largest: int) -> None:
    recorder = Recorder(largest)
    for data, at in sorted(chunks, key=lambda chunk: chunk[1]):
        recorder.feed(data, at)
    made = recorder.entry(200, [], False, Spent(), 0.0, 1.0)
    assert recorder.size_bytes == sum(len(data) for data, _ in chunks)
    assert (made is None) == (recorder.size_bytes > largest)
    assert made is None or len(made.body) == recorder.size_bytes


TAGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.binary(min_size=32, max_size=32), TAGS, TAGS, TAGS)
def test_names_in_redis_tell_the_key(digest: bytes, tenant: str, provider: str, model: str) -> None:
    one = Key(digest, tenant, provider, model)
    name = name_of(one)
    assert key_in(name.encode()) == one
    assert not set(name) & set("{}*?[]\\ ")
    assert Purge(tenant=tenant, model=model, prefix=one.name[:5]).fits(one)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.binary(min_size=1, max_size=30)),
        st.tuples(st.sampled_from(["join", "pause", "resume", "leave"]), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 200), st.booleans())
def test_flights_give_each_listener_the_same_bytes(steps: list[tuple[str, Any]], bound: int, fails: bool) -> None:
    """Whatever the order: a listener has a prefix of the reply, and all of it if it was told the end."""
    flight, seats = Flight(FlightLimits(4, bound)), []
    flight.begin(200, HEAD)
    reply = b""
    for step, value in steps:
        if step == "feed":
            reply += value
            flight.feed(value)
            assert flight._buffered_bytes == sum(map(len, flight._chunks))
        elif step == "join":
            if flight.is_joinable:
                client = Client()
                seats.append((client, flight.join(client)))
        elif seats:
            getattr(seats[value % len(seats)][1], step)()
    if fails:
        flight.fail(LOST)
    else:
        flight.end()
    for client, seat in seats:
        seat.resume()
        assert reply.startswith(client.body)
        if "end" in client.told:
            assert client.body == reply and not fails
    assert flight.listeners == 0
