"""What a connection in use tells of its line: round trips, losses and silence, from TCP_INFO or QUIC's recovery.

    Reading          totals since the connection began, as the kernel or aioquic counts them
    tcp_reading      from the bytes of getsockopt(TCP_INFO), Linux 4.18 or later (linux/tcp.h)
    Tally            keeps the last reading of one connection: differences, and for how long it has been silent
    TransportSample  what observers hear

Losses have a direction. What we sent again was lost on the way up, or its acknowledgement on the way down; because an
acknowledgement covers all before it, a lost one seldom causes that. What came out of order had a gap before it: that
was lost, or overtaken, on the way down.
"""

from __future__ import annotations

from struct import Struct as Layout

from msgspec import Struct

STALE = 2.0  # seconds without a look after which differences would tell of old times, and are left out


class TransportSample(Struct, frozen=True, gc=False):
    """One look at one connection. Counts are since the last look; times are seconds."""

    srtt: float  # smoothed round trip; 0: none measured yet
    rttvar: float  # its mean deviation
    retransmits: int  # segments or packets sent again: lost on the way up
    segments: int  # those with data that were sent, repetitions included
    delivery_rate_bps: float  # what the far end last acknowledged per second; 0: not known
    unacked: int  # segments on their way now
    silent_for: float  # for how long something has waited and nothing at all was acknowledged; 0: nothing waits
    backoffs: int = 0  # retransmission timeouts in a row
    segments_received: int = 0  # with data
    out_of_order: int = 0  # of them, those that came after a gap: loss on the way down; QUIC doesn't count them
    heard_ago: float = 0.0  # since the last acknowledgement: how old `srtt` is
    is_app_limited: bool = True  # the rate is what there was to send, the line may carry more


class Reading(Struct, gc=False):
    """Totals of one connection, and its state now. Times are seconds."""

    srtt: float
    rttvar: float
    retransmits: int
    segments: int
    delivery_rate_bps: float
    unacked: int
    backoffs: int
    heard_ago: float  # since the last acknowledgement
    waiting_for: float  # since what isn't acknowledged was sent: at least this long
    segments_received: int = 0
    out_of_order: int = 0
    is_app_limited: bool = True


def tcp_reading(info: bytes) -> Reading:
    """Reads `struct tcp_info`; what an older kernel doesn't give is 0."""
    (
        backoffs,
        flags,
        unacked,
        sent_ms,
        heard_ms,
        rtt_us,
        rttvar_us,
        retransmits,
        received,
        segments,
        rate,
        out_of_order,
    ) = _TCP_INFO.unpack_from(info.ljust(TCP_INFO_BYTES, b"\0"))
    return Reading(
        rtt_us / 1e6,
        rttvar_us / 1e6,
        retransmits,
        segments,
        rate * 8.0,
        unacked,
        backoffs,
        heard_ms / 1e3,
        min(sent_ms, heard_ms) / 1e3,
        received,
        out_of_order,
        bool(flags & 1),
    )


class Tally:
    """The looks at one connection so far."""

    __slots__ = ("_at", "_last", "_waiting_since")

    def __init__(self, began_at: float) -> None:
        """`began_at`: when the connection began, so that the first look counts its handshake, if it comes soon."""
        self._at = began_at
        self._last = Reading(0.0, 0.0, 0, 0, 0.0, 0, 0, 0.0, 0.0)
        self._waiting_since: float | None = None

    def take(self, reading: Reading, now: float) -> TransportSample:
        """The sample that a new reading makes; it becomes the last."""
        last = self._last
        if now - self._at > STALE:
            last, self._waiting_since = reading, None
        self._at, self._last = now, reading
        return TransportSample(
            reading.srtt,
            reading.rttvar,
            reading.retransmits - last.retransmits,
            reading.segments - last.segments,
            reading.delivery_rate_bps,
            reading.unacked,
            self._silent_for(reading, now),
            reading.backoffs,
            reading.segments_received - last.segments_received,
            reading.out_of_order - last.out_of_order,
            reading.heard_ago,
            reading.is_app_limited,
        )

    def _silent_for(self, reading: Reading, now: float) -> float:
        """A repetition makes the kernel forget when it first sent: so the beginning of the wait is remembered."""
        if not reading.unacked:
            self._waiting_since = None
            return 0.0
        since = now - reading.waiting_for
        before = self._waiting_since
        if before is not None and now - reading.heard_ago <= before:
            since = min(since, before)
        self._waiting_since = since
        return now - since


# tcpi_backoff, the bits with delivery_rate_app_limited, unacked, last_data_sent, last_ack_recv, rtt, rttvar,
# total_retrans, data_segs_in, data_segs_out, delivery_rate (bytes/s), rcv_ooopack.
_TCP_INFO = Layout("=4xB2xB16xI16xI8xI8xII24xI48xIIQ56xI")
TCP_INFO_BYTES = _TCP_INFO.size
