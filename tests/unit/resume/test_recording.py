"""Streams as they are kept, within their bounds, and the events after one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.resume.later import Later, first_event, number_of, response_of
from edge.resume.places import Places, kept_to, place_key, preferred
from edge.resume.reading import Reading
from edge.resume.recording import FIRST_EVENT_BYTES, OVERHEAD, Recording, Recordings
from transport.path import Path

OWNER = b"o"


def event(number: int, end: str = "\n") -> bytes:
    kind = "response.created" if not number else "response.output_text.delta"
    more = '"response":{"id":"resp_1"}' if not number else f'"delta":"word {number}"'
    lines = (f"event: {kind}", f'data: {{"type":"{kind}","sequence_number":{number},{more}}}', "", "")
    return end.join(lines).encode()


def events(*numbers: int) -> bytes:
    return b"".join(map(event, numbers))


def recorded(chunks: list[bytes], recordings: Recordings | None = None) -> Recording:
    if recordings is None:
        recordings = Recordings(1 << 20, 60.0)
    recording = recordings.begin(OWNER, 0.0)
    assert recording is not None
    for chunk in chunks:
        recording.add(chunk)
    return recording


class Listening:
    def __init__(self, recording: Recording) -> None:
        self.calls = 0
        recording.follow(self)

    def on_more(self) -> None:
        self.calls += 1


# --- events ---


def test_what_events_say() -> None:
    assert number_of(event(7)) == 7
    assert number_of(b"data: [DONE]") is None
    assert number_of(b': comment\ndata: {"sequence_number":"x"}') is None
    assert response_of(event(0)) == "resp_1"
    assert response_of(event(1)) is None
    assert response_of(b'data: {"response":{}}') is None
    assert response_of(b"data: [1]") is None
    assert first_event(b": ping\n\n" + event(0) + event(1)) == event(0)[:-2]
    assert first_event(event(0)[:-1]) is None


@given(st.integers(-1, 9), st.lists(st.integers(1, 60), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_later_events_wherever_chunks_are_cut(after: int, cuts: list[int], end: str) -> None:
    whole = b": ping" + end.encode() * 2 + b"".join(event(number, end) for number in range(9))
    later, out, at = Later(after), b"", 0
    for cut in cuts:
        out += later.feed(whole[at : at + cut])
        at += cut
    out += later.feed(whole[at:])
    assert out == b"".join(event(number, end) for number in range(after + 1, 9))
    assert not later.has_gap


def test_a_stream_whose_beginning_is_gone() -> None:
    cut = event(3)[9:] + events(4, 5, 6)
    later = Later(4, is_cut=True)
    assert later.feed(cut) == events(5, 6)
    assert not later.has_gap
    later = Later(3, is_cut=True)
    assert later.feed(cut) == events(4, 5, 6)
    assert not later.has_gap
    later = Later(2, is_cut=True)
    assert later.feed(cut) == events(4, 5, 6)
    assert later.has_gap


# --- recordings ---


def test_a_stream_is_found_by_its_owner_and_id() -> None:
    recordings = Recordings(1 << 20, 60.0)
    recording = recorded([event(0)[:20]], recordings)
    assert recordings.find(OWNER, "resp_1", 0.0) is None
    recording.add(event(0)[20:])
    assert recordings.find(OWNER, "resp_1", 0.0) is recording
    assert recordings.find(b"another", "resp_1", 0.0) is None
    assert recordings.size == len(event(0)) + 2 * OVERHEAD == recording.size
    recording.add(events(1, 2))
    recording.end(5.0, is_whole=True)
    recording.end(50.0, is_whole=False)
    recording.add(b"too late")
    assert recording.since(0) == events(0, 1, 2)
    assert recordings.find(OWNER, "resp_1", 64.0) is recording
    assert recordings.find(OWNER, "resp_1", 65.0) is None
    assert (len(recordings), recordings.size) == (0, 0)


def test_what_breaks_is_forgotten_and_who_follows_is_told() -> None:
    assert not Listening(recorded([event(0)])).calls
    recordings = Recordings(1 << 20, 60.0)
    recording = recorded([event(0)], recordings)
    changes: list[int] = []
    recording.on_change = lambda: changes.append(len(recording.followers))
    listening = Listening(recording)
    recording.add(event(1))
    recording.end(1.0, is_whole=False)
    assert listening.calls == 2
    recording.leave(listening)
    recording.leave(listening)
    assert changes == [1, 0]
    assert (len(recordings), recordings.size) == (0, 0)


def test_no_responses_stream() -> None:
    for chunks in ([event(1)], [b"data: [DONE]\n\n"], [b"x" * (FIRST_EVENT_BYTES + 1)]):
        recordings = Recordings(1 << 30, 60.0)
        assert recorded(chunks, recordings).is_over
        assert recordings.size == 0


def test_nothing_is_kept() -> None:
    assert Recordings(0, 60.0).begin(OWNER, 0.0) is None
    assert Recordings(1, 0.0).begin(OWNER, 0.0) is None


def test_a_long_stream_loses_its_beginning() -> None:
    recordings = Recordings(16 * 1000, 60.0)
    recording = recorded([event(number) for number in range(30)], recordings)
    assert 0 < recording.size <= 1000
    assert recordings.size == recording.size
    assert recording.since(0) is None
    with pytest.raises(ValueError, match="no longer here"):
        Reading(recording, 3)
    assert Reading(recording, 27).more() == events(28, 29)
    assert recording.since(recording.ends - 5) == event(29)[-5:]


def test_all_of_them_are_bounded() -> None:
    recordings = Recordings(16 * 400, 60.0)
    for number in range(20):
        recording = recorded([event(0).replace(b"resp_1", b"resp_%d" % number), events(1)], recordings)
        recording.end(float(number), is_whole=True)
    assert recordings.size <= 16 * 400
    assert recordings.find(OWNER, "resp_0", 20.0) is None
    assert recordings.find(OWNER, "resp_19", 20.0) is not None
    open_ = [recorded([event(0)], recordings) for _ in range(60)]  # none of them is over: each loses its own
    assert recordings.size <= 16 * 400
    assert not open_[-1].size


def test_a_reader_keeps_its_place() -> None:
    recording = recorded([events(0, 1), event(2)[:10]])
    reading = Reading(recording, 0)
    assert reading.more() == events(1) + event(2)[:10]
    assert reading.more() == b""
    recording.add(event(2)[10:])
    assert reading.more() == event(2)[10:]
    assert not reading.is_at_end
    recording.end(0.0, is_whole=True)
    assert reading.is_at_end
    early = Reading(recording, 7)
    assert early.more() == b""


def test_a_reader_that_is_too_slow() -> None:
    recording = recorded([event(0)], Recordings(16 * 1000, 60.0))
    reading = Reading(recording, -1)
    for number in range(1, 30):
        recording.add(event(number))
    assert reading.more() is None


# --- places ---


def test_places_forget_what_was_not_used_for_longest() -> None:
    places = Places(2)
    one, two, three = (place_key("openai", name) for name in "123")
    assert places.learn(one, "a")
    assert not places.learn(one, "a")
    assert places.learn(two, "b")
    assert places.find(one) == "a"
    assert places.learn(three, "c")
    assert places.find(two) is None
    assert len(places) == 2
    assert place_key("openai", "1", b"o") != one != place_key("xai", "1")


def test_paths_are_kept_to_the_account() -> None:
    paths = [Path("x", "a"), Path("x", "b"), Path("y", "a"), Path("x", "c")]
    same = {("c", "b")}
    assert kept_to(paths, "b", lambda *pair: pair in same) == (paths[1], paths[3])
    assert kept_to(paths, "gone", lambda *pair: False) == tuple(paths)
    assert preferred(paths, "b") == (paths[1], paths[0], paths[2], paths[3])
