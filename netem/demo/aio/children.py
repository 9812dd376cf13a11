"""Processes that end with us, however we end, and leave no file behind: what they read and write is in memory."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

READY = 20.0
"""How long a child may take until it says that it is ready, in seconds."""
PATIENCE = 5.0
"""How long it may take to end before it is killed, in seconds."""
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)

Start = Callable[..., "subprocess.Popen[Any]"]


class ChildError(Exception):
    """A process didn't become ready; the text has its own words."""


class MemoryFile:
    """A file that children open by `path` and that is gone with the last who holds it (memfd_create(2))."""

    def __init__(self, name: str, text: str = "") -> None:
        self.fd = os.memfd_create(name, 0)
        os.write(self.fd, text.encode())
        self.path = f"/proc/self/fd/{self.fd}"

    def text(self) -> str:
        """All that is in it."""
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0).decode(errors="replace")

    def close(self) -> None:
        """We no longer hold it."""
        os.close(self.fd)


class Child:
    """A command under way. `start` is `start_here` or a lab's `popen` in a namespace; `out`: what becomes of its output
    (what it says is read from its error output, and from the other one unless that goes elsewhere).
    """

    def __init__(self, start: Start, argv: Sequence[str], pass_fds: Sequence[int] = (), out: int | None = None) -> None:
        self._said = MemoryFile("said")
        self._name = " ".join(argv[2:5])
        said = self._said.fd
        stdout = said if out is None else out
        self._process = start(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=said, pass_fds=pass_fds)

    async def wait_for(self, pattern: str) -> str:
        """The first group of `pattern`, once it stands in what the child says. Raises ChildError."""
        try:
            async with asyncio.timeout(READY):
                while not (found := re.search(pattern, self._said.text())):
                    if self._process.poll() is not None:
                        raise ChildError(f"{self._name} ended: {self._said.text().strip()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ChildError(f"{self._name} isn't ready after {READY:g} s: {self._said.text().strip()}") from None
        return found.group(1)

    def close(self) -> None:
        """End it: SIGTERM, and SIGKILL after `PATIENCE`."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._said.close()


def start_here(argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a command in a session of its own (Ctrl-C is ours to handle) that gets SIGTERM when we die."""
    owner = os.getpid()
    return subprocess.Popen(argv, start_new_session=True, preexec_fn=lambda: _die_with(owner), **options)


def _die_with(owner: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != owner:  # it died before the call
        os.kill(os.getpid(), signal.SIGTERM)
