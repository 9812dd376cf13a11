"""Several processes on one port: a parent that starts them, restarts those that crash, and passes signals on.

The parent owns the listening sockets, so that neither a worker that crashes nor a whole generation of workers that
gives way to the next (`handover.py`) loses a connection that waits in them. A worker that crashes again and again loses
its sockets: connections go to the others then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from functools import partial

from edge.ingress.handover import GO, READY, RELEASED, Predecessor, Successor, notify, passing

logger = logging.getLogger("farline.workers")

EXIT_CONFIGURATION = 2
"""A worker that ends with it can't run at all: starting it again would change nothing."""

LONG_LIFE_SECONDS = 60.0
MAX_DELAY_SECONDS = 30.0
RELEASE_SECONDS = 10.0
"""For workers that end to close their listeners, before those of another generation listen all the same."""


def restart_delay(crashes: int) -> float:
    """Seconds to wait before a worker is started again, after so many crashes in a row."""
    return min(0.5 * 2.0 ** max(0, crashes - 1), MAX_DELAY_SECONDS)


def run_workers(
    command: list[str],
    count: int,
    sockets: list[list[socket.socket]] | None = None,
    successor: Successor | None = None,
    predecessor: Predecessor | None = None,
) -> int:
    """Runs `command --worker I` for I in 0…count-1 until all have ended; returns the exit status.

    SIGTERM and SIGINT end the workers (by SIGTERM) and then the parent; SIGHUP goes to each worker. The status is 0,
    or that of the worker that couldn't be started or that failed while it ended. A worker dies with its parent.

    `sockets`: those of each worker. SIGUSR2 hands them over to another parent like this one, by `predecessor`;
    `successor` is this one's word with the parent before it.
    """
    return asyncio.run(_Workers(command, sockets or [[] for _ in range(count)], successor, predecessor).run())


class _Workers:
    def __init__(
        self,
        command: list[str],
        sockets: list[list[socket.socket]],
        successor: Successor | None,
        predecessor: Predecessor | None,
    ) -> None:
        self._command = command
        self._sockets = sockets
        self._successor = successor or Successor({})
        self._predecessor = predecessor
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._channels: dict[int, socket.socket] = {}
        self._ready: set[int] = set()
        self._released: set[int] = set()
        self._heard = asyncio.Event()  # something of the two above has changed
        self._may_listen = False
        self._is_handing_over = False
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._signal_all, signal.SIGHUP)
        async with asyncio.TaskGroup() as group:
            if self._predecessor is not None:
                hand = partial(self._hand, group, self._predecessor)
                loop.add_signal_handler(signal.SIGUSR2, hand)
            running = [group.create_task(self._keep_running(index)) for index in range(len(self._sockets))]
            taking = group.create_task(self._take_over())
            await asyncio.wait(running)
            taking.cancel()
        return self._status

    # --- one generation gives way to the next ---

    async def _take_over(self) -> None:
        """When all workers are ready, they listen; if there is a generation before, as soon as it doesn't."""
        await self._all(self._ready)
        await self._successor.take_over()
        self._successor.released()  # nobody waits for that
        self._may_listen = True
        for channel in self._channels.values():
            _say(channel, GO)
        notify("READY=1", f"MAINPID={os.getpid()}")

    def _hand(self, group: asyncio.TaskGroup, predecessor: Predecessor) -> None:
        if self._may_listen and not self._is_handing_over and not self._stopping.is_set():
            self._is_handing_over = True
            group.create_task(self._hand_over(predecessor))

    async def _hand_over(self, predecessor: Predecessor) -> None:
        sockets = {sock.fileno(): sock for share in self._sockets for sock in share}
        pid = await predecessor.start(list(sockets.values()))
        if pid is None:
            self._is_handing_over = False
            return
        logger.info("process %d takes over; the workers of this one end their requests", pid)
        self._stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._all(self._released)
        predecessor.go()

    async def _all(self, said: set[int]) -> None:
        while len(said) < len(self._sockets):
            self._heard.clear()
            await self._heard.wait()

    def _hear(self, index: int, channel: socket.socket) -> None:
        """A worker says something, or is gone."""
        said = b""
        with contextlib.suppress(OSError):
            said = channel.recv(64)
        if READY in said:
            self._ready.add(index)
            if self._may_listen:
                _say(channel, GO)
        if RELEASED in said or not said:
            self._released.add(index)
            asyncio.get_running_loop().remove_reader(channel)
        self._heard.set()

    # --- signals and lives ---

    def _stop(self) -> None:
        """Nobody waits in sockets that none of ours listens on any more."""
        self._stopping.set()
        for share in self._sockets:
            for sock in share:
                sock.close()
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep_running(self, index: int) -> None:
        crashes = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run_once(index)
            if status == 0 or (self._stopping.is_set() and status == -signal.SIGTERM):
                return
            if self._stopping.is_set() or status == EXIT_CONFIGURATION:
                self._status = self._status or (status if status > 0 else 128 - status)
                self._stop()
                return
            self._released.discard(index)
            crashes = 1 if time.monotonic() - began > LONG_LIFE_SECONDS else crashes + 1
            delay = restart_delay(crashes)
            if crashes > 1:
                for sock in self._sockets[index]:
                    sock.close()
                self._sockets[index] = []  # the worker opens its own, if it ever comes so far
            logger.error("worker %d ended with status %d; started again in %.1f s", index, status, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_once(self, index: int) -> int:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        environment, passed = passing(self._sockets[index], theirs)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "--worker",
            str(index),
            env=environment,
            pass_fds=passed,
            preexec_fn=partial(_die_with_parent, os.getpid()),
            process_group=0,  # a Ctrl-C reaches the parent only, which passes it on in order
        )
        theirs.close()
        self._processes[index] = process
        self._channels[index] = ours
        asyncio.get_running_loop().add_reader(ours, self._hear, index, ours)
        if self._stopping.is_set():
            self._signal_all(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            asyncio.get_running_loop().remove_reader(ours)
            del self._processes[index], self._channels[index]
            ours.close()
            self._released.add(index)
            if not self._successor.has_predecessor:  # who gives way to us waits for workers that are really there
                self._ready.add(index)
            self._heard.set()


def _say(channel: socket.socket, word: bytes) -> None:
    with contextlib.suppress(OSError):  # the worker is gone
        channel.send(word)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent: int) -> None:
    """Runs in the new process, before the program: SIGTERM when the parent dies, even by SIGKILL (prctl(2)), or if it
    has died already: the kernel tells of later deaths only."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
