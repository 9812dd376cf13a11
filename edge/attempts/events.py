"""What an attempt machine hears (events) and what it wants done (commands). Values only."""

from __future__ import annotations

from msgspec import Struct

from transport.failure import Failure
from transport.path import Path

# --- events -----------------------------------------------------------------------------------------------------------


class Start(Struct, frozen=True, gc=False):
    """The request is ready to go."""


class Connected(Struct, frozen=True, gc=False):
    """A connection on `path` has a slot reserved for us; `warm`: it carried requests before."""

    path: Path
    warm: bool


class DialFailed(Struct, frozen=True, gc=False):
    path: Path
    failure: Failure


class RequestSent(Struct, frozen=True, gc=False):
    """The last byte of the request body was handed to the connection."""

    attempt: int


class HeadArrived(Struct, frozen=True, gc=False):
    attempt: int
    status: int


class BodyArrived(Struct, frozen=True, gc=False):
    """The first body byte, or the end of an empty reply."""

    attempt: int


class AttemptFailed(Struct, frozen=True, gc=False):
    attempt: int
    failure: Failure


class BodyDropped(Struct, frozen=True, gc=False):
    """Part of the request body is no longer held: it can't be sent again."""


class UploadStalled(Struct, frozen=True, gc=False):
    """The connection takes no more of the request body for now; or it does again (`stalled` False)."""

    attempt: int
    stalled: bool


class LineDark(Struct, frozen=True, gc=False):
    """A line is suspected, or down: the machine's `dark` says which. Late ones do no harm."""

    line: str


class ClientLeft(Struct, frozen=True, gc=False):
    """The client is gone (before commit; after it the stream's own rules hold)."""


class TimerFired(Struct, frozen=True, gc=False):
    """The time that `timer()` named has come."""


Event = (
    Start
    | Connected
    | DialFailed
    | RequestSent
    | HeadArrived
    | BodyArrived
    | AttemptFailed
    | BodyDropped
    | UploadStalled
    | LineDark
    | ClientLeft
    | TimerFired
)


# --- commands ---------------------------------------------------------------------------------------------------------


class Dial(Struct, frozen=True, gc=False):
    """Ask the pool for a connection on `path`. `again`: one of it has just failed; let the pool hear of that first, or
    it hands out the next that is dead."""

    path: Path
    again: bool = False


class Undial(Struct, frozen=True, gc=False):
    """`path` isn't needed any more; a dial under way may finish and join the pool."""

    path: Path


class Send(Struct, frozen=True, gc=False):
    """Send the request as attempt number `attempt` on the connection got for `path`."""

    attempt: int
    path: Path


class Cancel(Struct, frozen=True, gc=False):
    attempt: int


class Commit(Struct, frozen=True, gc=False):
    """Pass this attempt's reply to the client."""

    attempt: int


class GiveUp(Struct, frozen=True, gc=False):
    """No reply can be had."""

    failure: Failure


Command = Dial | Undial | Send | Cancel | Commit | GiveUp
