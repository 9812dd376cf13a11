"""Namespaces and interfaces: made with iproute2 and one ioctl, removed by name."""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from netem.topology import ROLES, LabName

RUN = Path("/run/farline-lab")
"""Control sockets of running labs, one file each, named as the lab."""
NETNS = Path("/run/netns")
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN_NO_PI = 0x1001
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The machine refused a part of a lab; the text says which and why."""


def started_at(pid: int) -> int | None:
    """When that process began, in clock ticks since boot (proc(5), field 22 of stat); None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


def run(argv: Sequence[str], text: str | None = None) -> str:
    """Run a tool and return what it printed. Raises LabError with the tool's own words."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    except OSError as refused:
        raise LabError(f"{argv[0]}: {refused.strerror}") from refused
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip_batch(namespace: str, commands: Sequence[str]) -> None:
    """Run `ip` commands in a namespace, all in one process. Raises LabError at the first that fails."""
    run(["ip", "-n", namespace, "-batch", "-"], "".join(f"{command}\n" for command in commands))


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This *thread* is in the network namespace for the while; descriptors opened there keep belonging to it."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(NETNS / namespace, "rb") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise LabError(f"setns: {os.strerror(code)}")


def open_tun(namespace: str, name: str) -> int:
    """A non-blocking TUN descriptor for a new interface of that namespace; the interface goes when it is closed.

    It is born inside the namespace under a unique name and then renamed: a name already in use fails the rename
    instead of attaching to somebody else's interface.
    """
    unique = f"fl{os.getpid()}.{time.monotonic_ns() % 10_000}"[:15]
    with inside(namespace):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", unique.encode(), _IFF_TUN_NO_PI))
            run(["ip", "-n", namespace, "link", "set", "dev", unique, "name", name])
        except (OSError, LabError):
            os.close(fd)
            raise
    return fd


def write_sysctls(namespace: str, settings: dict[str, str]) -> None:
    """Set kernel settings of a namespace, by path under /proc/sys/net. Raises LabError naming the one refused."""
    with inside(namespace):
        for path, value in settings.items():
            try:
                Path("/proc/sys/net", path).write_text(value)
            except OSError as refused:
                raise LabError(f"/proc/sys/net/{path} = {value}: {refused.strerror}") from refused


def make(name: LabName) -> None:
    """The lab's namespaces, empty."""
    for role in ROLES:
        run(["ip", "netns", "add", name.namespace(role)])


def remove(name: LabName) -> None:
    """Everything of that lab: processes in its namespaces, the namespaces with all that is in them, its socket."""
    for role in ROLES:
        namespace = name.namespace(role)
        if (NETNS / namespace).exists():
            _kill_inside(namespace)
            with suppress(LabError):  # two may sweep at once; the loser finds nothing left
                run(["ip", "netns", "delete", namespace])
    (RUN / str(name)).unlink(missing_ok=True)


def _kill_inside(namespace: str) -> None:
    with suppress(LabError):
        for pid in run(["ip", "netns", "pids", namespace]).split():
            if int(pid) != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def leftovers() -> list[LabName]:
    """Labs whose process is gone but whose namespaces or sockets are still here."""
    files = [path for folder in (NETNS, RUN) if folder.is_dir() for path in folder.iterdir()]
    names = {name for path in files if (name := LabName.of(path.name)) is not None}
    return sorted((name for name in names if started_at(name.pid) != name.started), key=str)


def sweep() -> list[LabName]:
    """Remove what dead labs left; returns whose it was."""
    dead = leftovers()
    for name in dead:
        remove(name)
    return dead
