"""Sockets on both sides of a lab's lines, all in this process."""

import socket
from collections.abc import Callable, Iterator

import pytest

from netem.aio.lab import Lab
from netem.link.conditions import Conditions, Profile
from netem.scenario import LineSpec, Scenario

QUICK = Profile(Conditions(delay_ms=5), Conditions(delay_ms=5))


def two_lines(**settings) -> Scenario:
    """Two short lines, "one" and "two"."""
    return Scenario((LineSpec("one", QUICK), LineSpec("two", QUICK)), **settings)


class Ends:
    """UDP sockets and TCP connections of a lab; all are closed at the end of a test."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._open: list[socket.socket] = []

    def udp(self, role: str, address: str, port: int = 0) -> socket.socket:
        """A UDP socket in that namespace."""
        return self._bound(role, socket.SOCK_DGRAM, address, port)

    def tcp(self, line: str) -> tuple[socket.socket, socket.socket]:
        """A TCP connection over a line: the edge's end and the provider's."""
        listener = self._bound("far", socket.SOCK_STREAM, self.lab.address("provider"), 0)
        listener.listen()
        near = self._bound("edge", socket.SOCK_STREAM, self.lab.address("edge", line), 0)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        far.settimeout(2)
        self._open.append(far)
        return near, far

    def close(self) -> None:
        """All of them."""
        for end in self._open:
            end.close()

    def _bound(self, role: str, kind: int, address: str, port: int) -> socket.socket:
        with self.lab.inside(role):
            made = socket.socket(socket.AF_INET, kind)
        self._open.append(made)
        made.settimeout(2)
        made.bind((address, port))
        return made


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    """One lab with two lines for a whole module."""
    with Lab(two_lines()) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Iterator[Lab]:
    """The module's lab, all lines as in the beginning."""
    yield running
    for id in ("one", "two"):
        running.line(id).clear()
        running.line(id).profile(QUICK)


@pytest.fixture
def ends(lab: Lab) -> Iterator[Ends]:
    """Sockets in the module's lab."""
    made = Ends(lab)
    yield made
    made.close()


@pytest.fixture
def passes() -> Callable[[socket.socket, socket.socket, bytes], bool]:
    """Does a datagram get through? Waits a quarter of a second: the lines of this lab take 5 ms."""

    def ask(sender: socket.socket, receiver: socket.socket, payload: bytes = b"?") -> bool:
        sender.sendto(payload, receiver.getsockname())
        receiver.settimeout(0.25)
        try:
            while receiver.recv(65535) != payload:
                continue
        except TimeoutError:
            return False
        return True

    return ask
