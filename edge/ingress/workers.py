"""Several processes on one port: a parent that starts them, restarts those that crash, and passes signals on."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from functools import partial

logger = logging.getLogger("farline.workers")

EXIT_CONFIGURATION = 2
"""A worker that ends with it can't run at all: starting it again would change nothing."""

LONG_LIFE_SECONDS = 60.0
MAX_DELAY_SECONDS = 30.0


def restart_delay(crashes: int) -> float:
    """Seconds to wait before a worker is started again, after so many crashes in a row."""
    return min(0.5 * 2.0 ** max(0, crashes - 1), MAX_DELAY_SECONDS)


def run_workers(command: list[str], count: int) -> int:
    """Runs `command --worker I` for I in 0…count-1 until all have ended; returns the exit status.

    SIGTERM and SIGINT end the workers (by SIGTERM) and then the parent; SIGHUP goes to each worker. The status is 0,
    or that of the worker that couldn't be started or that failed while it ended. A worker dies with its parent.
    """
    return asyncio.run(_Workers(command, count).run())


class _Workers:
    def __init__(self, command: list[str], count: int) -> None:
        self._command = command
        self._count = count
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._signal_all, signal.SIGHUP)
        async with asyncio.TaskGroup() as group:
            for index in range(self._count):
                group.create_task(self._keep_running(index))
        return self._status

    def _stop(self) -> None:
        self._stopping.set()
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
            crashes = 1 if time.monotonic() - began > LONG_LIFE_SECONDS else crashes + 1
            delay = restart_delay(crashes)
            logger.error("worker %d ended with status %d; started again in %.1f s", index, status, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_once(self, index: int) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "--worker",
            str(index),
            preexec_fn=partial(_die_with_parent, os.getpid()),
            process_group=0,  # a Ctrl-C reaches the parent only, which passes it on in order
        )
        self._processes[index] = process
        if self._stopping.is_set():
            self._signal_all(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            del self._processes[index]


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent: int) -> None:
    """Runs in the new process, before the program: SIGTERM when the parent dies, even by SIGKILL (prctl(2)), or if it
    has died already: the kernel tells of later deaths only."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
