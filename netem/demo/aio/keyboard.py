"""Keys of a terminal, one by one; the terminal is as it was before when it is over."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def keys(take: Callable[[str], None]) -> Iterator[None]:
    """While the context lasts, `take` gets what is typed. Does nothing if standard input is no terminal."""
    if not sys.stdin.isatty():
        yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    loop = asyncio.get_running_loop()

    def read() -> None:
        text = os.read(fd, 1024).decode(errors="ignore")
        if not text:  # the terminal is gone; SIGHUP says the rest
            loop.remove_reader(fd)
        for key in text:
            take(key)

    tty.setcbreak(fd)
    loop.add_reader(fd, read)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
