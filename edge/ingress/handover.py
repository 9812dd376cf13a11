"""A new process takes over the listening sockets, while the old one ends its sessions in its own time.

    old  SIGUSR2 → starts the new one with the sockets and one end of a channel
    new  has read its configuration → "ready"
    old  listens no more, and leaves to the new one what only one can have (the admin port, files) → "go"
    new  listens
    old  drains, and exits when its last stream is over

What comes between "listens no more" and "listens" waits in the sockets, which are never closed: nobody is refused. If
the new process fails before "ready", the old one goes on as if nothing had been asked.

A parent of several workers speaks so with each of them, and passes on what it hears from the parent before it; a worker
that has been told to end says when it listens no more ("released").
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

SOCKETS, CHANNEL = "FARLINE_SOCKETS", "FARLINE_HANDOVER"
READY, GO, RELEASED = b"ready\n", b"go\n", b"released\n"
READY_SECONDS = 30.0

log = logging.getLogger("farline.handover")


def passing(listening: Sequence[socket.socket], channel: socket.socket) -> tuple[dict[str, str], list[int]]:
    """The environment and the open files of a process that gets these."""
    numbers = [each.fileno() for each in listening]
    named = {SOCKETS: ",".join(map(str, numbers)), CHANNEL: str(channel.fileno())}
    return {**os.environ, **named}, [*numbers, channel.fileno()]


class Successor:
    """The new process's side. `listening`: sockets that it got, none if it wasn't started by another."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        numbers = [int(part) for part in environment.get(SOCKETS, "").split(",") if part]
        channel = environment.get(CHANNEL)
        self.listening = [socket.socket(fileno=number) for number in numbers]
        self._channel = socket.socket(fileno=int(channel)) if channel else None
        for each in self.listening:
            each.setblocking(False)

    @property
    def has_predecessor(self) -> bool:
        """Another process waits for this one, to be told that it is ready."""
        return self._channel is not None

    async def take_over(self) -> None:
        """Returns when the old process listens no more; at once if there is none."""
        channel = self._channel
        if channel is None:
            return
        channel.setblocking(False)
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # it has died: the sockets are ours all the more
            async with asyncio.timeout(READY_SECONDS):
                await loop.sock_sendall(channel, READY)
                await loop.sock_recv(channel, len(GO))

    def released(self) -> None:
        """This process listens no more. Who started it may be waiting for that; the last call."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with channel, suppress(OSError):
                channel.send(RELEASED)


class Predecessor:
    """The old process's side. `command` starts the new one."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._channel: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None  # outlives this process

    async def start(self, listening: Sequence[socket.socket]) -> int | None:
        """Starts the new process; its pid once it is ready, None if it isn't going to be."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        environment, passed = passing(listening, theirs)
        child = await asyncio.to_thread(subprocess.Popen, self._command, env=environment, pass_fds=passed)
        theirs.close()
        heard = b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                heard = await asyncio.get_running_loop().sock_recv(ours, len(READY))
        if heard == READY:
            self._channel, self._child = ours, child
            return child.pid
        ours.close()
        child.terminate()
        log.error("the new process did not become ready; this one goes on")
        return None

    def go(self) -> None:
        """The old one listens no more."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with channel, suppress(OSError):
                channel.send(GO)


def notify(*lines: str) -> None:
    """Tells systemd (sd_notify(3)), if it started us."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.sendto("\n".join(lines).encode(), address)


def command(role: str, config: str) -> list[str]:
    """What starts another process like this one."""
    return [sys.executable, "-m", "edge.cli", role, "-c", config]
