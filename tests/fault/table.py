"""The table: what happens when X fails at moment Y. Every cell says what the client sees and what it cost.

A cell reads `status [broken] [code] attempts x executions`:

    200 2x1                             answered, in two attempts, of which the provider executed one
    502 connection_terminated 1x1       refused in the caller's dialect, with this code in Proxy-Status and in the log
    200 broken idle_timeout 1x1         begun, then broken off so that no SDK takes it for whole; the code is in the log

Columns: a request that may be repeated freely (GET models), one that costs money (chat), one with an effect (batches);
`once`: the fault strikes the first attempt only; `always`: every attempt. Three lines, one endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = (
    "dns failure", "connection refused", "tls: wrong authority", "tls: handshake cut", "blackhole", "reset",
    "half-close", "goaway", "goaway, hard", "refused stream", "stall", "429", "500", "503", "529", "truncate",
    "malformed reply", "client gone",
)  # fmt: skip
PHASES = ("dial", "sent", "head", "mid-stream", "end")

H1, H2, H3 = "http/1.1", "h2", "h3"
ALL = (H1, H2, H3)
TCP = (H1, H2)

Cells = tuple[str | None, str | None, str | None]  # free, billed, effect


@dataclass(frozen=True)
class Row:
    """One fault at one moment. `streamed`: the billed request asks for a stream."""

    fault: str
    phase: str
    protocols: tuple[str, ...]
    sim: str
    once: Cells
    always: Cells
    streamed: bool = False

    def __str__(self) -> str:
        return f"{self.fault} at {self.phase}".replace(" ", "-").replace(":", "").replace(",", "")


def same(cell: str) -> Cells:
    return (cell, cell, cell)


def stream(cell: str) -> Cells:
    """Only a stream can meet this one."""
    return (None, cell, None)


def answer(status: int) -> Cells:
    """The provider's own answer: one attempt, not executed, passed on."""
    return same(f"{status} 1x0")


LOST_ONCE = ("200 2x2", "200 2x2", "502 connection_terminated 1x1")
LOST = ("502 connection_terminated 3x3", "502 connection_terminated 2x2", "502 connection_terminated 1x1")
SILENT_ONCE = ("200 2x2", "200 2x2", "504 http_response_timeout 1x1")
SILENT = ("504 http_response_timeout 3x3", "504 http_response_timeout 2x2", "504 http_response_timeout 1x1")
DENIED = same("502 stream_refused 4x0")
TERMINATED = "200 broken connection_terminated 1x1"
INCOMPLETE = "200 broken http_response_incomplete 1x1"
IDLE = "200 broken idle_timeout 1x1"

ROWS = (
    # the request is out, nothing has come back
    Row("reset", "sent", ALL, "fault=reset_before_head", LOST_ONCE, LOST),
    Row("half-close", "sent", (H1,), "fault=refuse",
        ("200 2x1", "200 2x1", "502 connection_terminated 1x0"),
        ("502 connection_terminated 3x0", "502 connection_terminated 2x0", "502 connection_terminated 1x0")),
    Row("refused stream", "sent", (H2, H3), "fault=refuse", same("200 2x1"), DENIED),
    Row("stall", "sent", ALL, "fault=stall_before_head", SILENT_ONCE, SILENT),
    # the reply's head is there, no byte of its body
    Row("reset", "head", ALL, "fault=reset_after_head", LOST_ONCE, LOST),
    Row("goaway, hard", "head", (H2, H3), "fault=goaway_hard,after=0", LOST_ONCE, LOST),
    Row("stall", "head", ALL, "fault=stall_after_head", same(IDLE), same(IDLE)),
    Row("429", "head", ALL, "status=429,retry_after=7", answer(429), answer(429)),
    Row("500", "head", ALL, "status=500", answer(500), answer(500)),
    Row("503", "head", ALL, "status=503,retry_after=7", answer(503), answer(503)),
    Row("529", "head", ALL, "status=529", answer(529), answer(529)),
    # part of the body has been passed on: no further attempt
    Row("reset", "mid-stream", TCP, "fault=reset", same(TERMINATED), same(TERMINATED), streamed=True),
    Row("reset", "mid-stream", (H3,), "fault=reset", stream(TERMINATED), stream(TERMINATED), streamed=True),
    Row("reset", "mid-stream", (H2, H3), "fault=rst_stream", stream("200 broken stream_reset 1x1"),
        stream("200 broken stream_reset 1x1"), streamed=True),
    Row("half-close", "mid-stream", (H1,), "fault=half_close", same(INCOMPLETE), same(INCOMPLETE), streamed=True),
    Row("half-close", "mid-stream", (H2,), "fault=half_close", same(TERMINATED), same(TERMINATED), streamed=True),
    Row("goaway", "mid-stream", ALL, "fault=goaway", same("200 1x1"), same("200 1x1"), streamed=True),
    Row("goaway, hard", "mid-stream", (H1,), "fault=goaway_hard", stream(INCOMPLETE), stream(INCOMPLETE),
        streamed=True),
    Row("goaway, hard", "mid-stream", (H2, H3), "fault=goaway_hard", stream(TERMINATED), stream(TERMINATED),
        streamed=True),
    Row("stall", "mid-stream", ALL, "fault=stall", stream(IDLE), stream(IDLE), streamed=True),
    Row("stall", "mid-stream", TCP, "fault=stall", same(IDLE), same(IDLE)),
    Row("truncate", "mid-stream", ALL, "fault=truncate", stream(INCOMPLETE), stream(INCOMPLETE), streamed=True),
    Row("truncate", "mid-stream", (H1,), "fault=truncate", same(IDLE), same(IDLE)),
    Row("truncate", "mid-stream", (H1,), "fault=short_length", same(INCOMPLETE), same(INCOMPLETE)),
    Row("truncate", "mid-stream", (H1,), "fault=cut", same(INCOMPLETE), same(INCOMPLETE), streamed=True),
    Row("truncate", "mid-stream", (H2,), "fault=cut", same(TERMINATED), same(TERMINATED), streamed=True),
    # the provider's own words, right or wrong, are passed on
    Row("malformed reply", "mid-stream", ALL, "fault=malformed", same("200 1x1"), same("200 1x1"), streamed=True),
    Row("500", "mid-stream", ALL, "fault=error_event", stream("200 1x1"), stream("200 1x1"), streamed=True),
    # everything was sent but the end
    Row("stall", "end", ALL, "fault=stall_end", same("200 1x1"), same("200 1x1"), streamed=True),
)  # fmt: skip

ELSEWHERE = {
    ("dns failure", "dial"): "test_dials.py",
    ("connection refused", "dial"): "test_dials.py",
    ("tls: wrong authority", "dial"): "test_dials.py",
    ("tls: handshake cut", "dial"): "test_dials.py",
    ("blackhole", "dial"): "test_dials.py",
    ("reset", "dial"): "test_dials.py",
    ("malformed reply", "head"): "test_dials.py",
    ("client gone", "dial"): "test_client_gone.py",
    ("client gone", "sent"): "test_client_gone.py",
    ("client gone", "mid-stream"): "test_client_gone.py",
    ("blackhole", "sent"): "test_lines.py, test_dying_lines.py",
    ("blackhole", "mid-stream"): "test_dying_lines.py",
}

NO_REQUEST = "there is no request yet, so nothing can answer it"
ONLY_DIAL = "names are resolved, and connections made, only while dialing"
STATUS = "a status is the reply's head"
PASSED = "the reply's own end has been passed on: what the connection does then changes nothing"
IMPOSSIBLE = {
    **{(fault, phase): ONLY_DIAL for fault in FAULTS[:4] for phase in PHASES[1:]},
    **{(fault, "dial"): NO_REQUEST for fault in ("goaway", "goaway, hard", "refused stream", "429", "500", "503",
                                                 "529", "truncate", "malformed reply")},
    **{(fault, phase): STATUS for fault in ("429", "503", "529") for phase in ("sent", "mid-stream", "end")},
    ("500", "sent"): STATUS,
    ("500", "end"): STATUS,
    ("half-close", "dial"): "the same as a handshake that is cut",
    ("half-close", "head"): "a FIN after the head is a truncated reply: see there",
    ("stall", "dial"): "a silent far end is a blackhole to whom dials it",
    ("blackhole", "head"): "to the edge the same as a stall: see there",
    ("goaway", "sent"): "graceful: the request is answered as if there had been none",
    ("goaway", "head"): "graceful: the reply goes on as if there had been none",
    ("goaway, hard", "sent"): "below the request's stream it is a refused stream, above it a reset",
    ("refused stream", "head"): "a stream that was answered can't be refused any more: that is a reset",
    ("refused stream", "mid-stream"): "a stream that was answered can't be refused any more: that is a reset",
    ("refused stream", "end"): "a stream that was answered can't be refused any more: that is a reset",
    ("truncate", "sent"): "nothing has come that could be cut",
    ("truncate", "head"): "a head that is cut is a reset or a half-close at 'sent'",
    ("truncate", "end"): "a reply that lacks its end is truncated in mid-stream",
    ("malformed reply", "sent"): "nothing has come that could be malformed",
    ("malformed reply", "end"): PASSED,
    ("client gone", "head"): "the head goes out with the body's first byte: before it is 'sent', after it mid-stream",
    **{(fault, "end"): PASSED for fault in ("half-close", "reset", "goaway", "goaway, hard",
                                                                            "blackhole", "client gone")},
}  # fmt: skip
