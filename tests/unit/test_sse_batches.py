"""Several events in one read: counted alike however they come, and the long way is taken only where it must be."""

from __future__ import annotations

import pytest

from edge.dialects.sse import EventScanner

PLAIN = b'data: {"id":1}\n\n'
OTHER = b"data: [DONE]\n\n"
TWO_LINES = b'event: x.delta\ndata: {"id":1}\n\n'


class Watched(EventScanner):
    def __init__(self, plain: tuple[bytes, ...], lines: int = 1) -> None:
        super().__init__(plain, lines, b"usage")
        self.marked: list[bytes] = []
        self.regions: list[bytes] = []

    def on_marked(self, event: bytes) -> None:
        self.marked.append(event)

    def on_region(self, region: bytes) -> None:
        self.regions.append(region)


@pytest.mark.parametrize("number", [1, 2, 7])
def test_plain_events_in_one_read_need_no_look(number: int) -> None:
    scanner = Watched((b'data: {"choices"', b'data: {"id"'))
    scanner.feed(PLAIN * number)
    assert scanner.events_seen == number
    assert scanner.regions == []
    assert scanner.at_boundary()


def test_plain_events_of_two_lines() -> None:
    scanner = Watched((b"event: x.delta\ndata: {",), 2)
    scanner.feed(TWO_LINES * 3)
    assert (scanner.events_seen, scanner.regions) == (3, [])


@pytest.mark.parametrize(
    "data",
    [PLAIN + OTHER, PLAIN * 2 + OTHER, PLAIN + OTHER + PLAIN, PLAIN + b": ping\n\n", PLAIN + b"data: x\ndata: y\n\n"],
)
def test_a_foreign_event_among_plain_ones_is_looked_at(data: bytes) -> None:
    scanner = Watched((b'data: {"id"',))
    scanner.feed(data)
    assert scanner.regions == [data]


def test_marked_among_several() -> None:
    scanner = Watched((b'data: {"id"',))
    data = PLAIN + b'data: {"id":1,"usage":{}}\n\n'
    scanner.feed(data)
    assert scanner.marked == [data]


def test_nothing_is_plain() -> None:
    scanner = Watched(())
    scanner.feed(PLAIN * 2)
    assert scanner.events_seen == 2
    assert scanner.regions == [PLAIN * 2]
