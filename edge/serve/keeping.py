"""Streams of the Responses API on their way to their clients, kept for those whose connection breaks.

    keeping = resuming.keeping(question)      None for nearly all requests
    keeping.receiver(stream, sink, head)      at commit: what stands between the provider and the stream
    keeping.over()                            in any case

A client that is gone leaves its stream to whoever follows it, or to the provider's `on_client_gone`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import msgspec

from edge.attempts.runner import AttemptSink
from edge.config.model import Limits
from edge.dialects.json_scan import members, value
from edge.dialects.meters import is_event_stream
from edge.resume.asked import NOBODY, OWNER, makes_response, owner_of, referred
from edge.resume.places import Places, kept_to, place_key, preferred
from edge.resume.recording import Recording, Recordings
from edge.routing.sticky import home
from edge.serve.client import ClientWatcher
from edge.serve.question import Question
from edge.serve.streaming import ReplyStream
from transport.exchange import ResponseSink
from transport.failure import Failure
from transport.message import Headers, ResponseHead, header
from transport.path import Path

_NAME_BYTES = 64 * 1024  # of a reply, in which its id is looked for


@dataclass(slots=True)
class Resuming:
    """What all requests of a process share. `on_place` hears which endpoint made what, for other nodes."""

    recordings: Recordings = field(default_factory=lambda: Recordings(0, 0.0))
    places: Places = field(default_factory=Places)
    seconds: float = 0.0
    began: float = field(default_factory=monotonic)

    def configure(self, limits: Limits) -> None:
        """[limits] in use from the next request on."""
        self.seconds = limits.resume
        self.recordings.configure(limits.resume_bytes, limits.resume)

    def keeping(self, question: Question) -> Keeping | None:
        """The part that this has in a request that makes a response; None for all others."""
        if question.facts.operation != "responses" or not makes_response(question.client.method, question.rest):
            return None
        return Keeping(self, question)

    def kept_to(self, question: Question, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        """A request about a response goes to the endpoint that made it, and to others of the same account. A voice
        session, to the endpoint of its caller's latest one, else to a home of the caller's own: it may bring the handle
        of an earlier session (Gemini Live), which is seen only when it is too late to choose."""
        if question.facts.operation == "live":
            who = owner(question)
            if who == NOBODY:
                return paths
            latest = self.places.find(place_key(question.provider.id, "live", who))
            shares = [(endpoint.id, endpoint.weight) for endpoint in question.provider.endpoints]
            return preferred(paths, latest or home(who, shares))
        if question.facts.operation != "responses":
            return paths
        name = referred(question.rest, question.prefix)
        maker = self.places.find(place_key(question.provider.id, name)) if name is not None else None
        return paths if maker is None else kept_to(paths, maker, question.is_same_account)

    def speaks_at(self, question: Question, endpoint: str) -> None:
        """A voice session has begun there."""
        if question.facts.operation == "live" and len(question.provider.endpoints) > 1:
            self.places.learn(place_key(question.provider.id, "live", owner(question)), endpoint)


class Keeping:
    """One request that makes a response."""

    def __init__(self, resuming: Resuming, question: Question) -> None:
        self.owner = owner(question)
        self._resuming = resuming
        self._provider = question.provider
        self._client = question.client
        self._has_stream = question.facts.streaming
        self._recorded: Recorded | None = None

    @property
    def wants_plain(self) -> bool:
        """What is kept must be readable: no content coding is to be asked for."""
        return self._has_stream and bool(self._resuming.seconds)

    def headers(self, headers: Headers, path: Path) -> Headers:
        """Relays are told whose the stream is."""
        return headers if path.relay is None else [*headers, (OWNER, self.owner)]

    def receiver(
        self, stream: ReplyStream, sink: AttemptSink, head: ResponseHead
    ) -> tuple[ResponseSink, ClientWatcher]:
        """What takes the reply, and what watches the client."""
        if head.status != 200:
            return stream, stream
        endpoint, coding = sink.path.endpoint, header(head.headers, b"content-encoding")
        if is_event_stream(head.headers) and coding in (None, b"identity"):
            recording = self._resuming.recordings.begin(self.owner, monotonic())
            if recording is not None:
                seconds = self._resuming.seconds
                policy = self._provider.on_client_gone
                learn = (lambda id: self._learn(id, endpoint)) if len(self._provider.endpoints) > 1 else _nothing
                self._recorded = Recorded(stream, recording, policy, seconds, self._client.abort, learn)
                return self._recorded, self._recorded
        if len(self._provider.endpoints) > 1:
            return Named(stream, sink, lambda id: self._learn(id, endpoint)), stream
        return stream, stream

    def _learn(self, id: str, endpoint: str) -> None:
        self._resuming.places.learn(place_key(self._provider.id, id), endpoint)

    def over(self) -> None:
        """The reply is over, however it went."""
        if self._recorded is not None:
            self._recorded.over()
            self._recorded = None


def _nothing(id: str) -> None:
    return


def owner(question: Question) -> bytes:
    """By the keys that came with the request."""
    own = question.fields.get(b"x-farline-key")
    found = question.dialect.credential_of(question.client.headers, question.rest)
    return owner_of(question.provider.id, own.decode("latin-1") if own is not None else None, found)


class Recorded:
    """Receives the committed stream (a ResponseSink) and watches its client (a ClientWatcher)."""

    __slots__ = ("_abort", "_learn", "_policy", "_seconds", "_stream", "_timer", "_was_slow", "recording")

    def __init__(
        self,
        stream: ReplyStream,
        recording: Recording,
        policy: str,
        seconds: float,
        abort: Callable[[], None],
        learn: Callable[[str], None],
    ) -> None:
        """`policy`: the provider's `on_client_gone`. `abort` breaks the client's connection."""
        stream.policy = msgspec.structs.replace(stream.policy, drain_when_gone=True)  # what follows is decided here
        self._stream = stream
        self._policy = policy
        self._seconds = seconds
        self._abort = abort
        self._learn: Callable[[str], None] | None = learn
        self._timer: asyncio.TimerHandle | None = None
        self._was_slow = False
        self.recording = recording
        recording.on_change = self._on_followers

    # --- from upstream ---

    def on_data(self, data: bytes) -> None:
        self.recording.add(data)
        self._stream.on_data(data)
        if self._learn is not None and (self.recording.id is not None or self.recording.is_over):
            if self.recording.id is not None:
                self._learn(self.recording.id)
            self._learn = None

    def on_end(self, trailers: Headers) -> None:
        self._stream.on_end(trailers)
        self.recording.end(monotonic(), is_whole=self._stream.failure is None)

    def on_failure(self, failure: Failure) -> None:
        self._stream.on_failure(failure)
        self.recording.end(monotonic(), is_whole=self._stream.failure is None)

    def on_head(self, head: ResponseHead) -> None:
        """The head was seen before commit."""

    def on_writable(self) -> None:
        """The upload is the runner's business."""

    # --- from the client ---

    def on_client_slow(self) -> None:
        self._was_slow = True
        if self.recording.followers:
            self._supersede()
        else:
            self._stream.on_client_slow()

    def on_client_ready(self) -> None:
        self._was_slow = False
        self._stream.on_client_ready()

    def on_client_gone(self) -> None:
        if not self._stream.client_left:
            self._stream.on_client_gone()
            self._look()

    # --- who goes on with it ---

    def _on_followers(self) -> None:
        if self.recording.followers and self._was_slow and not self._stream.client_left:
            self._supersede()
        elif not self.recording.followers:
            self._look()

    def _supersede(self) -> None:
        """Somebody goes on with the stream, and this client, which takes nothing, would only hold it up."""
        self._abort()
        self.on_client_gone()

    def _look(self) -> None:
        """Is there anybody it is for? If not, what does the provider's policy say?"""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._stream.client_left or self.recording.followers or self._stream.is_done or self._policy == "drain":
            return
        if self._policy == "hold" and self.recording.id is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up)
        else:
            self._give_up()

    def _give_up(self) -> None:
        if not self.recording.followers:
            self._stream.give_up()

    def over(self) -> None:
        """Nothing comes any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.recording.end(monotonic(), is_whole=False)
        self.recording.on_change = _no_change


def _no_change() -> None:
    return


class Named:
    """Reads the id of a response in the beginning of its reply, and steps aside."""

    __slots__ = ("_head", "_learn", "_sink", "_stream")

    def __init__(self, stream: ReplyStream, sink: AttemptSink, learn: Callable[[str], None]) -> None:
        self._stream = stream
        self._sink = sink
        self._learn = learn
        self._head = b""

    def on_data(self, data: bytes) -> None:
        self._head += data
        id = value(members(self._head, (b"id",)).get(b"id"), str)
        if id:
            self._learn(id)
        if id or len(self._head) > _NAME_BYTES:
            self._head = b""
            self._sink.receiver = self._stream
        self._stream.on_data(data)

    def on_end(self, trailers: Headers) -> None:
        self._stream.on_end(trailers)

    def on_failure(self, failure: Failure) -> None:
        self._stream.on_failure(failure)

    def on_head(self, head: ResponseHead) -> None:
        """The head was seen before commit."""

    def on_writable(self) -> None:
        """The upload is the runner's business."""
