"""Replies that are kept: whole ones, within bounds, the oldest first to go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.relay.kept import OVERHEAD, KeptReplies


def test_a_reply_is_kept_while_it_grows_and_when_it_is_done() -> None:
    kept = KeptReplies()
    reply = kept.begin()
    reply.add(b"one")
    reply.add(b"two")
    assert reply.whole() == b"onetwo"
    reply.add(b"three")
    kept.done(b"key", reply)
    assert kept.find(b"key") is reply
    assert reply.whole() == b"onetwothree"
    assert kept.size == 11 + 3 * OVERHEAD
    kept.drop(b"key")
    assert (kept.find(b"key"), kept.size, len(kept)) == (None, 0, 0)
    kept.drop(b"key")


def test_a_reply_that_is_too_long_is_lost() -> None:
    kept = KeptReplies(reply_bytes=200)
    reply = kept.begin()
    for _ in range(5):
        reply.add(bytes(50))
    assert reply.is_lost
    assert kept.size == 0
    kept.done(b"key", reply)
    assert kept.find(b"key") is None
    reply.lose()
    assert kept.size == 0


def test_the_oldest_go_first_and_what_grows_last() -> None:
    kept = KeptReplies(reply_bytes=1000, total_bytes=1000)
    for name in (b"a", b"b"):
        reply = kept.begin()
        reply.add(bytes(200))
        kept.done(name, reply)
    growing = kept.begin()
    growing.add(bytes(500))
    assert (kept.find(b"a"), len(kept)) == (None, 1)
    growing.add(bytes(200))
    assert len(kept) == 0
    other = kept.begin()
    other.add(bytes(600))
    assert other.is_lost
    assert not growing.is_lost


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 300), st.sampled_from(("add", "done", "drop", "lose")))))
def test_the_bounds_hold_whatever_happens(steps: list[tuple[int, int, str]]) -> None:
    kept = KeptReplies(reply_bytes=400, total_bytes=1000)
    growing = {number: kept.begin() for number in range(5)}
    done = {}
    for number, size, what in steps:
        key = bytes((number,))
        if what == "add":
            growing[number].add(bytes(size))
        elif what == "lose":
            growing[number].lose()
        elif what == "drop":
            kept.drop(key)
        elif kept.find(key) is None:
            kept.done(key, growing[number])
            done[key] = growing[number]
            growing[number] = kept.begin()
        assert kept.size <= 1000
        assert kept.size == sum(reply.size for reply in (*growing.values(), *done.values()))
