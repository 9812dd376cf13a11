"""Two network namespaces joined by several links, each a line that can be broken like a real one.

    edge's side                         far side
    line 0: 10.213.0.1 ── veth pair ── 10.213.0.2 ┐
    line 1: 10.213.1.1 ── veth pair ── 10.213.1.2 ├─ 10.214.0.1, where the provider listens
    …                                             ┘

Packets leave by the link of their source address. A thread works in a namespace with `inside`; sockets keep belonging
to the namespace they were opened in, so one process, even one event loop, can have sockets on both sides. Needs root.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netem.aio.namespaces import NETNS, inside

__all__ = ["FAR_ADDRESS", "Links", "inside", "links"]

FAR_ADDRESS = "10.214.0.1"
_NAME = re.compile(r"flt(\d+)[en]")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Links:
    """`near` and `far` are namespaces' names; `sources` the edge's address on each link."""

    near: str
    far: str
    sources: tuple[str, ...]

    def down(self, index: int) -> None:
        """Pulls the plug at our end: the kernel knows at once that there is no way."""
        _ip("-n", self.near, "link", "set", f"e{index}", "down")

    def up(self, index: int) -> None:
        """Plugs it in again, with the route that was lost."""
        _ip("-n", self.near, "link", "set", f"e{index}", "up")
        _ip("-n", self.near, "route", "replace", "default", "via", _far(index), "table", str(100 + index))

    def swallow(self, index: int) -> None:
        """One-way blackhole: the far side hears us, and nothing it sends comes back."""
        _ip("-n", self.far, "route", "add", "blackhole", f"{self.sources[index]}/32")

    def heal(self, index: int) -> None:
        """Ends `swallow`."""
        _ip("-n", self.far, "route", "del", "blackhole", f"{self.sources[index]}/32")


def _far(index: int) -> str:
    return f"10.213.{index}.2"


@contextmanager
def links(count: int) -> Iterator[Links]:
    """Makes them, and removes them whatever happens. What a dead process left behind is removed first."""
    _sweep()
    near, far = f"flt{os.getpid()}e", f"flt{os.getpid()}n"
    try:
        for name in (near, far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", far, "address", "add", f"{FAR_ADDRESS}/32", "dev", "lo")
        made = Links(near, far, tuple(f"10.213.{index}.1" for index in range(count)))
        for index, source in enumerate(made.sources):
            _ip("-n", near, "link", "add", f"e{index}", "type", "veth", "peer", "name", f"f{index}", "netns", far)
            _ip("-n", near, "address", "add", f"{source}/30", "dev", f"e{index}")
            _ip("-n", far, "address", "add", f"{_far(index)}/30", "dev", f"f{index}")
            _ip("-n", far, "link", "set", f"f{index}", "up")
            _ip("-n", near, "rule", "add", "from", source, "table", str(100 + index))
            made.up(index)
        yield made
    finally:
        for name in (near, far):
            _remove(name)


def _remove(name: str) -> None:
    if (NETNS / name).exists():
        _ip("netns", "delete", name)


def _sweep() -> None:
    for path in NETNS.iterdir() if NETNS.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and not Path("/proc", match[1]).exists():
            _remove(path.name)
