"""One stream of a session, both directions, and when what was sent of it is to be repeated.

Until the peer has acknowledged anything of a stream, what was sent is repeated blindly 15, 45, 105 and 200 ms later:
a request and a reply's first bytes are worth it. Afterwards a stream that falls silent repeats its last bytes 40, 80
and 160 ms later. From then on, and for bulk from the beginning, once per PTO.
"""

from __future__ import annotations

from collections import deque
from math import inf

from transport.session.acks import Shortest
from transport.session.frames import Opening
from transport.session.messages import MessagesIn, MessagesOut
from transport.session.receive_log import ReceiveLog
from transport.session.send_log import SendLog
from transport.session.values import Priority

BLIND = (0.015, 0.030, 0.060, 0.095)
TAIL = (0.040, 0.040, 0.080)
ECHO = 0.012
"""A hot stream that is left with one sound carrier sends everything twice over that one, so much later; so does any
stream whose session has but one line, if that loses single packets, unless it is to be SINGLE."""
BULK_BYTES = 16_384
"""A stream with more than this unacknowledged is paced, whatever its priority: it isn't a stream of tokens now."""


class Stream:
    """`opening` is sent along until it is known to have arrived (None at the side that didn't open the stream).

    `marks` are the last sendings of new bytes, when and from which offset; `covered_at` is when everything that isn't
    acknowledged was last sent in one frame."""

    __slots__ = (
        "covered_at", "due", "id", "into", "is_blocked", "is_proven", "is_tail_covered", "marks", "messages_in",
        "messages_out", "opening", "out", "priority", "queued_at", "redundancy", "stage", "wants_repeat",
    )  # fmt: skip

    def __init__(
        self, number: int, opening: Opening, *, credit: int, window: int, passage: Shortest, is_opener: bool
    ) -> None:
        self.id = number
        self.priority = opening.priority
        self.redundancy = opening.redundancy
        self.opening: Opening | None = opening if is_opener else None
        self.out = SendLog(credit)
        self.into = ReceiveLog(window)
        self.messages_out = MessagesOut()
        self.messages_in = MessagesIn(passage)
        self.is_proven = False
        self.is_blocked = False
        self.is_tail_covered = False
        self.wants_repeat = is_opener
        self.marks: deque[tuple[float, int]] = deque()
        self.covered_at = -inf
        self.stage = 0
        self.due = inf
        self.queued_at = inf

    @property
    def is_bulk(self) -> bool:
        """Paced and sent once, behind everything that is thin."""
        return self.priority is Priority.BATCH or self.out.end - self.out.base > BULK_BYTES

    @property
    def is_done(self) -> bool:
        """Both directions are over: what the peer sent was handed out, and it has what we sent."""
        return self.into.is_done and self.out.is_finished

    @property
    def is_waiting(self) -> bool:
        """Something of it is under way, if only the news that it exists."""
        return self.out.is_outstanding or self.opening is not None

    @property
    def is_overdue(self) -> bool:
        """The quick repeats are used up: try every way there is."""
        return self.stage > len(self.steps)

    @property
    def is_echo(self) -> bool:
        """What is due is the echo of new bytes, not yet a repeat."""
        return self.stage == 0

    @property
    def steps(self) -> tuple[float, ...]:
        """When it is repeated quickly, seconds after one another."""
        if self.is_bulk:
            return ()
        return TAIL if self.is_proven else BLIND

    def sent_new(self, now: float, timeout: float, *, has_echo: bool = False) -> None:
        """New bytes have gone out: the repeats begin anew."""
        self.stage = 0
        if has_echo:
            self.due = now + ECHO
        else:
            self.sent_again(now, timeout)

    def sent_again(self, now: float, timeout: float) -> None:
        """A repeat has gone out: `due` is when the next is."""
        steps = self.steps
        self.due = now + (steps[self.stage] if self.stage < len(steps) else timeout)
        self.stage += 1

    def skip_quick_repeats(self, now: float, timeout: float) -> None:
        """Only the timeout's repeats are worth it now."""
        self.stage = len(self.steps) + 1
        self.due = now + timeout

    def prove(self) -> None:
        """The peer has acknowledged something of it."""
        self.is_proven = True
        self.opening = None


StreamPart = tuple[Stream, int, int, bool]
"""What of a stream was in a packet: bytes from, bytes to, and whether its end."""
