"""Measurements between the namespaces of a lab, all from one thread.

One clock is behind both ends, so delays are one-way. Arrivals are stamped by the kernel, not by this process: how busy
we are doesn't count as delay.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from netem.aio.lab import Lab
from netem.link.event import Direction
from netem.packets import checksum
from netem.verify import Probe

UDP_PORT = 7007
TCP_PORT = 7008
HEADERS_BYTES = 28
"""IPv4 and UDP headers: what the line sees beyond a datagram's payload."""
DRAIN_SECONDS = 0.6
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_STAMP = struct.Struct("qq")
_NUMBER = struct.Struct("!Q")
_ECHO, _ECHO_REPLY = 8, 0
_ECHO_ID = 0x4641
_ASKINGS = 9
_BUFFER_BYTES = 4_000_000


@dataclass(slots=True)
class Flow:
    """One probe and its sockets."""

    probe: Probe
    sender: socket.socket
    receiver: socket.socket
    payload: bytes
    stamps: list[tuple[int, int]] = field(default_factory=list)


def open_flow(lab: Lab, line: str, direction: Direction, host: str, size: int) -> Flow:
    """A UDP flow of packets of `size` bytes over a line, from the edge to `host` ("up") or back ("down")."""
    edge = (lab.address("edge", line), UDP_PORT)
    far = (lab.address(host), UDP_PORT)
    ends = {}
    for role, address in (("edge", edge), ("far", far)):
        with lab.inside(role):
            ends[role] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end = ends[role]
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        end.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        end.setblocking(False)
        end.bind(address)
    ends["edge"].connect(far)
    ends["far"].connect(edge)
    sender, receiver = (ends["edge"], ends["far"]) if direction == "up" else (ends["far"], ends["edge"])
    return Flow(Probe(), sender, receiver, bytes(size - HEADERS_BYTES - _NUMBER.size))


def measure(lab: Lab, flows: Sequence[Flow], seconds: float, packets_per_second: float) -> None:
    """Send on all flows, evenly spaced, and fill their probes. Closes the sockets."""
    with _in_real_time():
        _exchange(flows, _origin(lab), seconds, packets_per_second)
    for flow in flows:
        flow.sender.close()
        flow.receiver.close()


def _origin(lab: Lab) -> float:
    """The wall-clock time at which lab time was 0: of several askings the one that took least, at its middle."""
    askings = []
    for _ in range(_ASKINGS):
        before, now, after = time.time(), lab.now(), time.time()
        askings.append((after - before, (before + after) / 2 - now))
    return min(askings)[1]


@contextmanager
def _in_real_time() -> Iterator[None]:
    # Being pushed aside between reading the clock and sending would look like delay of the line.
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, *before)


def _exchange(flows: Sequence[Flow], origin: float, seconds: float, packets_per_second: float) -> None:
    receivers = {flow.receiver: flow for flow in flows}
    step = 1.0 / packets_per_second
    began = time.monotonic()
    number = 0
    while (now := time.monotonic() - began) < seconds + DRAIN_SECONDS:
        if now < seconds and now >= number * step:
            for flow in flows:
                flow.probe.sent.append(time.time() - origin)
                flow.sender.send(_NUMBER.pack(number) + flow.payload)
            number += 1
            continue
        wait = number * step - now if now < seconds else DRAIN_SECONDS
        for ready in select.select(list(receivers), (), (), max(0.0, min(wait, DRAIN_SECONDS)))[0]:
            _receive(receivers[ready], origin)


def _receive(flow: Flow, origin: float) -> None:
    while True:
        try:
            data, ancillary, _, _ = flow.receiver.recvmsg(2048, 64)
        except BlockingIOError:
            return
        seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
        flow.probe.arrivals.append((_NUMBER.unpack_from(data)[0], seconds + nanoseconds / 1e9 - origin))


def ping(lab: Lab, line: str, host: str, count: int) -> Probe:
    """ICMP echoes from the edge to `host`, one after the other; the probe's delays are round-trip times."""
    probe = Probe()
    with lab.inside("edge"):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw, _in_real_time():
        raw.bind((lab.address("edge", line), 0))
        raw.settimeout(DRAIN_SECONDS)
        for number in range(count):
            probe.sent.append(time.monotonic())
            raw.sendto(_echo(number), (lab.address(host), 0))
            if _is_answered(raw, number):
                probe.arrivals.append((number, time.monotonic()))
    return probe


def _echo(number: int) -> bytes:
    message = struct.pack("!BBHHH", _ECHO, 0, 0, _ECHO_ID, number)
    return struct.pack("!BBHHH", _ECHO, 0, checksum(message), _ECHO_ID, number)


def _is_answered(raw: socket.socket, number: int) -> bool:
    wanted = (_ECHO_REPLY, _ECHO_ID, number)
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        try:
            kind, _, _, identity, sequence = struct.unpack_from("!BBHHH", raw.recv(2048), 20)
        except TimeoutError:
            return False
        if (kind, identity, sequence) == wanted:
            return True
    return False


def tcp_mbit(lab: Lab, line: str, host: str, seconds: float) -> float:
    """Goodput of one TCP connection from the edge to `host`, in Mbit/s, over the second half of the time."""
    with lab.inside("far"), socket.create_server((lab.address(host), TCP_PORT)) as listener:
        with lab.inside("edge"):
            sender = socket.socket()
        with sender:
            sender.bind((lab.address("edge", line), 0))
            sender.connect((lab.address(host), TCP_PORT))
            receiver, _ = listener.accept()
            with receiver:
                return _pump(sender, receiver, seconds)


def _pump(sender: socket.socket, receiver: socket.socket, seconds: float) -> float:
    sender.setblocking(False)
    receiver.setblocking(False)
    data = bytes(65536)
    began = time.monotonic()
    counted, counting_since = 0, 0.0
    while (now := time.monotonic()) - began < seconds:
        readable, writable, _ = select.select([receiver], [sender], [], 0.1)
        if writable:
            sender.send(data)
        if readable:
            got = len(receiver.recv(262_144))
            if now - began >= seconds / 2:
                counting_since = counting_since or now
                counted += got
    return counted * 8 / 1e6 / max(time.monotonic() - counting_since, 1e-9) if counting_since else 0.0
