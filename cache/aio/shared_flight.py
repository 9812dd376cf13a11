"""Single flight between nodes: the first to claim a key in Redis leads, and writes its reply into a stream there that
the other nodes read.

    farline:1:lead:{DIGEST}          the leader's token, with a lease that it renews
    farline:1:flight:{DIGEST}:TOKEN  the stream: what the leader's own listeners get, gathered for 20 ms
    farline:1:ears:{DIGEST}:TOKEN    there while another node reads

A leader whose node dies lets its lease run out; its readers then see a failure. A flight that ended well keeps its
lease for two seconds more, so that whoever comes just then gets the reply from the stream. If Redis fails, each node
flies for itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from cache.aio.redis_client import RedisClient
from cache.circuit import Circuit
from cache.flight import Flight, Flights, Seat
from cache.flight_wire import Data, End, Failed, Head, Message, Wire, WireError
from transport.aio.tasks import TaskOwner
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers

_log = logging.getLogger(__name__)

_FAULTS = (RedisError, RedisClusterException, OSError, TimeoutError)
_GATHER = 0.02  # seconds of chunks that go into one entry
_CLAIM_MS = 1500  # until the leader first renews it: a claim whose answer came too late leads nobody astray for long
_LEASE_MS = 5000
_STREAM_MS = 10_000
_RENEWAL = 1.0  # seconds
_EARS_MS = 3000
_LINGER_MS = 2000
_BLOCK_MS = 500  # of one read; after an empty one the lease is looked at
_MOST_READING = 64  # flights of other nodes at a time; each has a connection
_LOST = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED, "the node that made the exchange is gone")

_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return redis.call('EXISTS', KEYS[3])
"""
_GIVE_UP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class SharedFlights:
    """Owns its client, which needs a connection for each flight that is led or read. `tokens` draws names that no other
    node draws (16 random bytes as hex will do); `claim_timeout` in seconds stands in a request's way."""

    def __init__(
        self,
        redis: RedisClient,
        flights: Flights,
        tokens: Callable[[], str],
        wire: Wire | None = None,
        claim_timeout: float = 0.05,
        circuit: Circuit | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._redis = redis
        self._flights = flights
        self._tokens = tokens
        self._wire = wire or Wire()
        self._claim_timeout = claim_timeout
        self._circuit = circuit or Circuit()
        self._clock = clock
        self._leading, self._reading = TaskOwner("cache-lead"), TaskOwner("cache-follow")

    async def claim(self, digest: bytes, flight: Flight) -> bool:
        """May this node make the exchange for `flight`, which it has just begun to lead? If not, another node makes it:
        then `flight` is fed from there and landed in the end, and the caller joins it like any other. Never raises."""
        token = self._tokens()
        holder = await self._holder(digest, token)
        if holder == token and flight.is_joinable:
            leader = _Leader(self._redis.client, self._wire, digest, token, self._flights.limits.buffer_bytes)
            leader.seat = flight.join(leader)
            leader.seat.want(False)  # until another node listens
            self._leading.start(leader.run())
        if holder is None or holder == token or len(self._reading) >= _MOST_READING:
            return True
        flight.may_abandon()  # nobody here leads it
        self._follow(digest, holder, flight)
        return False

    async def close(self) -> None:
        """Flights of other nodes fail here; what is led here is given up."""
        await self._reading.close()
        await self._leading.close()
        with suppress(*_FAULTS):
            await self._redis.close()

    async def _holder(self, digest: bytes, token: str) -> str | None:
        """Who leads; None if Redis doesn't say."""
        if not self._circuit.may_call(self._clock()):
            return None
        client: Any = self._redis.client
        try:
            async with asyncio.timeout(self._claim_timeout):
                held = await client.eval(_CLAIM, 1, _lead(digest), token, _CLAIM_MS)
        except _FAULTS as error:
            if self._circuit.failed(self._clock()):
                _log.warning("flights are not shared for now: %s", str(error) or "no answer in time")
            return None
        if self._circuit.succeeded():
            _log.warning("flights are shared again")
        return bytes(held).decode("latin-1")

    def _follow(self, digest: bytes, token: str, flight: Flight) -> None:
        reading = self._reading.start(self._read(digest, token, flight))

        def stop() -> None:
            reading.cancel()

        def ended(_: object) -> None:
            """A callback, as a task that is cancelled before it begins runs no `finally`."""
            if not flight.is_over:
                flight.fail(_LOST)
            self._flights.land(digest, flight)

        flight.on_abandoned = stop
        reading.add_done_callback(ended)

    async def _read(self, digest: bytes, token: str, flight: Flight) -> None:
        """Feeds `flight` from another node's stream."""
        try:
            async for message in self._messages(digest, token):
                _tell(flight, message)
        except (*_FAULTS, WireError) as error:
            _log.warning("a flight of another node was lost: %s", str(error) or "no answer in time")

    async def _messages(self, digest: bytes, token: str) -> AsyncIterator[Message]:
        """All of a stream; ends after its last message, or when its leader is gone."""
        client: Any = self._redis.client
        name, at, heard_at = _stream(digest, token), 0, self._clock() - _RENEWAL
        last: bytes | str = "0-0"
        while True:
            if self._clock() - heard_at >= _RENEWAL:
                heard_at = self._clock()
                await client.set(_ears(digest, token), b"1", px=_EARS_MS)
            found = await client.xread({name: last}, count=64, block=_BLOCK_MS)
            if not found:
                held = await client.get(_lead(digest))
                if held != token.encode():
                    return
                continue
            for entry_id, fields in found[0][1]:
                last = entry_id
                if fields.get(b"n") != b"%d" % at:
                    raise WireError("a part of the stream is missing")  # Redis ran out of memory
                for message in self._wire.unpack(fields.get(b"m", b""), _about(digest, token, at)):
                    yield message
                    if isinstance(message, End | Failed):
                        return
                at += 1


class _Leader:
    """A listener of a flight on this node that passes everything on to the others."""

    def __init__(self, client: Any, wire: Wire, digest: bytes, token: str, bound_bytes: int) -> None:
        self.seat: Seat
        self._client = client
        self._wire = wire
        self._digest, self._token = digest, token
        self._bound_bytes = bound_bytes
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self._has_news = asyncio.Event()
        self._is_over = False
        self._is_good = False  # whoever comes a moment too late may have it, too

    def on_begin(self, status: int, headers: Headers) -> None:
        self._is_good = status == 200
        self._note(Head(status, tuple(headers)))

    def on_data(self, data: bytes) -> None:
        """Hot path."""
        self._waiting.append(Data(data))
        self._waiting_bytes += len(data)
        self._has_news.set()

    def on_end(self) -> None:
        self._is_over = True
        self._note(End())

    def on_failure(self, failure: Failure) -> None:
        self._is_over, self._is_good = True, False
        self._note(Failed(failure.origin, failure.verdict, failure.code))

    def on_lagging(self) -> None:
        """Can't be: this listener never pauses."""

    async def run(self) -> None:
        """Until the flight is over, or Redis fails; without the lease being renewed, readers notice."""
        sent = 0
        try:
            await self._send([], 0)
            while not (self._is_over and not self._waiting):
                await self._news()
                messages, self._waiting, self._waiting_bytes = self._waiting, [], 0
                await self._send(messages, sent)
                sent += bool(messages)
                if self._waiting_bytes > self._bound_bytes:
                    raise TimeoutError("Redis is slower than the reply")
            if not self._is_good:
                await self._client.eval(_GIVE_UP, 1, _lead(self._digest), self._token)
        except _FAULTS as error:
            _log.warning("a flight is not passed on any more: %s", str(error) or "no answer in time")
        finally:
            self.seat.leave()

    async def _news(self) -> None:
        """Waits for something to send, or for the time of renewal; then a moment for what else comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RENEWAL):
                await self._has_news.wait()
        if not self._is_over:
            await asyncio.sleep(_GATHER)
        self._has_news.clear()

    async def _send(self, messages: list[Message], number: int) -> None:
        stream = _stream(self._digest, self._token)
        pipeline: Any = self._client.pipeline(transaction=False)
        if messages:
            about = _about(self._digest, self._token, number)
            pipeline.execute_command("XADD", stream, "*", "n", number, "m", self._wire.pack(messages, about))
        lease = _LINGER_MS if self._is_over and not self._waiting else _LEASE_MS
        names = (_lead(self._digest), stream, _ears(self._digest, self._token))
        pipeline.execute_command("EVAL", _RENEW, len(names), *names, self._token, lease, _STREAM_MS)
        answers = await pipeline.execute()
        self.seat.want(bool(answers[-1]))

    def _note(self, message: Message) -> None:
        self._waiting.append(message)
        self._has_news.set()


def _tell(flight: Flight, message: Message) -> None:
    match message:
        case Head():
            flight.begin(message.status, list(message.headers))
        case Data():
            flight.feed(message.data)
        case End():
            flight.end()
        case Failed():
            flight.fail(message.failure())


def _lead(digest: bytes) -> str:
    return f"farline:1:lead:{{{digest.hex()}}}"


def _stream(digest: bytes, token: str) -> str:
    return f"farline:1:flight:{{{digest.hex()}}}:{token}"


def _ears(digest: bytes, token: str) -> str:
    return f"farline:1:ears:{{{digest.hex()}}}:{token}"


def _about(digest: bytes, token: str, number: int) -> bytes:
    return b"%s/%s/%d" % (digest, token.encode(), number)
