"""The control socket of a running lab: a Unix socket, one JSON object a line each way.

{"do": "event", "line": "cn2", "event": {"kind": "blackhole", "seconds": 3}}     begins now, or at its "at"
{"do": "profile", "line": "cn2", "profile": {"up": {…}, "down": {…}}}            {"do": "clear", "line": "cn2"}
{"do": "tally"}    {"do": "now"}    {"do": "start"}
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from netem.aio.namespaces import LabError
from netem.link.conditions import Conditions, Profile
from netem.link.event import DIRECTIONS
from netem.link.link import Link
from netem.link.reading import read_event, read_profile

_MAX_LINE = 1_000_000


class Engine(Protocol):
    """What carries the packets: the forwarder or the shaper."""

    @property
    def links(self) -> Mapping[str, Link]:
        """The model of each line."""

    def now(self) -> float:
        """Lab time."""

    def start(self) -> None:
        """Lab time is 0 now."""

    def troubles(self) -> dict[str, int]:
        """What the lab itself did to packets, as counts."""

    def check(self, profile: Profile) -> None:
        """Raises ValueError if this backend can't do the profile."""


def answer(engine: Engine, text: str) -> str:
    """Do what one line asks; returns the line to send back. What is wrong with it becomes an "error" in the answer."""
    try:
        return json.dumps(_perform(engine, json.loads(text)))
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        return json.dumps({"error": str(wrong) or type(wrong).__name__})


def _perform(engine: Engine, request: Mapping[str, Any]) -> dict[str, Any]:
    what = request["do"]
    if what == "start":
        engine.start()
    elif what == "tally":
        lines = {id: _tallies(link) for id, link in engine.links.items()}
        return {"now": engine.now(), "lines": lines, "troubles": engine.troubles()}
    elif what != "now":
        _change(engine, what, request)
    return {"now": engine.now()}


def _change(engine: Engine, what: str, request: Mapping[str, Any]) -> None:
    link = engine.links[request["line"]]
    if what == "event":
        event = read_event({"at": engine.now(), **request["event"]})
        up, down = (event.bend(link.lane(direction).conditions) for direction in DIRECTIONS)
        engine.check(Profile(up, down))
        link.add([event])
    elif what == "profile":
        wanted = read_profile(request["profile"], Profile(Conditions(), Conditions()))
        engine.check(wanted)
        link.set_profile(wanted)
    elif what == "clear":
        link.clear_events()
    else:
        raise ValueError(f"don't know how to do {what!r}")


def _tallies(link: Link) -> dict[str, dict[str, int]]:
    return {direction: asdict(link.lane(direction).tally) for direction in DIRECTIONS}


class Server:
    """The listening end, for a select loop: `fileno`s to watch, `handle` the ready ones."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._engine = engine
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}

    def filenos(self) -> list[int]:
        """What to select on."""
        return [self._listener.fileno(), *self._clients]

    def handle(self, fileno: int) -> None:
        """Serve a descriptor that is ready to be read."""
        if fileno == self._listener.fileno():
            client, _ = self._listener.accept()
            self._clients[client.fileno()] = (client, bytearray())
            return
        client, held = self._clients[fileno]
        try:
            data = client.recv(65536)
            held += data
            while (end := held.find(b"\n")) >= 0:
                client.sendall(answer(self._engine, held[:end].decode(errors="replace")).encode() + b"\n")
                del held[: end + 1]
        except OSError:
            data = b""
        if not data or len(held) > _MAX_LINE:
            del self._clients[fileno]
            client.close()


class Remote:
    """The asking end, over the socket at `path`. Raises LabError where the lab is gone or says no."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10.0)
        try:
            self._socket.connect(str(path))
        except OSError as refused:
            self._socket.close()
            raise LabError(f"no lab answers at {path}: {refused.strerror}") from refused
        self._reader = self._socket.makefile("r")

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request, its answer."""
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            line = self._reader.readline()
        except OSError as gone:
            raise LabError(f"the lab doesn't answer: {gone}") from gone
        if not line:
            raise LabError("the lab has ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise LabError(reply["error"])
        return reply

    def close(self) -> None:
        """End the conversation; the lab goes on."""
        self._reader.close()
        self._socket.close()
