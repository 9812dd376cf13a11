"""What the edge knows about one request, and what a dialect must be able to tell it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol as Interface

from msgspec import Struct

from transport.failure import Failure
from transport.message import Headers


class Repeat(Enum):
    """What a second execution of the request would do at the provider."""

    FREE = "free"  # nothing: GET, HEAD, token counting, anything with an idempotency key
    BILLED = "billed"  # cost money, and nothing else: completions, embeddings, images…
    EFFECT = "effect"  # create or change something: files, batches, stored responses with background…


class Facts(Struct, frozen=True, gc=False):
    """What is asked. `operation` is from a closed set (see each dialect), safe as a metrics label."""

    operation: str
    model: str | None = None
    streaming: bool = False
    tools: bool = False
    max_tokens: int | None = None
    repeat: Repeat = Repeat.BILLED
    patience: float | None = None  # seconds the client said it will wait for the next byte (x-stainless-read-timeout)
    retry_count: int = 0  # how often the SDK has already tried (x-stainless-retry-count)
    reasons: bool = False  # the body asks for thinking before the answer


class Usage(Struct, frozen=True, gc=False):
    """Tokens as the provider counted them; None where it said nothing. Cached and reasoning are parts of the others."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


NO_USAGE = Usage()


class Meter(Interface):
    """Watches one reply's body go by. `feed` is on the hot path: no parsing of chunks that can't matter."""

    def feed(self, data: bytes) -> None: ...

    def is_complete(self) -> bool:
        """Has the reply's own end been seen (`[DONE]`, message_stop, a finishReason…)? JSON bodies: always True."""

    def at_boundary(self) -> bool:
        """Is the stream between two events, so that a keep-alive or an error event may be inserted?"""

    def usage(self) -> Usage: ...

    def tokens_seen(self) -> int:
        """Content events so far: an estimate of the tokens delivered when the provider reported no usage."""


class Dialect(Interface):
    """One vendor's API shape. Stateless; pure."""

    name: str

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        """`target` without the provider's prefix. `body` may be only a prefix of it (`complete` False), or empty."""

    def meter(self, facts: Facts, status: int, headers: Headers) -> Meter: ...

    def error(self, status: int, failure: Failure, request_id: str) -> tuple[Headers, bytes]:
        """A whole error reply in the vendor's shape: content-type and whatever else its SDK obeys, and the body."""

    def stream_error(self, failure: Failure, request_id: str) -> bytes:
        """The error event for a stream that was cut after commit. The caller aborts the connection after it."""

    def keepalive(self) -> bytes | None:
        """Bytes that the vendor's SDK ignores between two events, or None if there are none."""

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        """Headers and target with the caller's credentials (header or `?key=`) taken out and ours put in."""

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        """The key that the client presented, in whichever place this vendor's SDK puts it."""
