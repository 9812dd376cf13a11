"""All lines cut for a while: a real llama.cpp server beside the edge answers; then traffic returns overseas by itself.

Two vendors' SDKs call all the time; a row of the timeline is one second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from netem.bench.aio.processes import READY_SECONDS, StageError
from netem.bench.plan import Load
from tests.bench.failover.place import PORT, PROVIDER_PORT, Place, place
from tests.bench.failover.plan import LINES, PLAIN, Plan
from tests.support.llama import MODEL, llama

CUT_AT, CUT_SECONDS = 8.0, 20.0
SECONDS = CUT_AT + CUT_SECONDS + 20.0
"""How long the application calls."""
_CALLERS = "callers"
_POOL_PORT = 8000
_LOAD = Load(streams=4, requests=1, tokens=24, think_ms=200)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an SDK. Times are seconds of the window; `line` is what carried it, "local" for the pool."""

    sdk: str
    begun: float
    ended: float
    status: int
    line: str = ""
    ttft: float | None = None
    parts: int = 0
    end: str = ""
    fault: str = ""

    @property
    def is_whole(self) -> bool:
        return self.status == 200 and not self.fault and bool(self.end)


def read_calls(text: str, zero: float) -> list[Call]:
    """What `callers` printed, in the order in which the calls began."""
    rows = (row for row in text.splitlines() if row.startswith("{"))
    return sorted((_call(json.loads(row), zero) for row in rows), key=lambda call: call.begun)


def _call(said: dict[str, Any], zero: float) -> Call:
    first = said.get("first")
    return Call(
        said["sdk"],
        said["begun"] - zero,
        said["ended"] - zero,
        said["status"],
        said["path"].partition("/")[0],
        None if first is None else first - said["begun"],
        said["parts"],
        said.get("end") or "",
        said.get("fault", ""),
    )


@dataclass(frozen=True, slots=True)
class PoolShow:
    """All calls, in the order in which they began."""

    calls: tuple[Call, ...]

    def caught(self) -> list[Call]:
        """Calls whose reply had begun before the cut and had to be cut with it."""
        return [c for c in self.calls if c.begun < CUT_AT < c.ended and not c.is_whole and c.parts]

    def failed(self) -> list[Call]:
        """Calls that failed and had no part of a reply before: those that should have been answered by somebody."""
        return [call for call in self.calls if not call.is_whole and not call.parts]

    def first_local(self) -> float | None:
        """Seconds from the cut to the begin of the first call that the pool answered."""
        return min((c.begun - CUT_AT for c in self.calls if c.is_whole and c.line == "local"), default=None)

    def first_overseas(self) -> float | None:
        """Seconds from the healing to the begin of the first call that a line carried again."""
        healed = CUT_AT + CUT_SECONDS
        begun = (c.begun - healed for c in self.calls if c.is_whole and c.line in LINES and c.begun >= healed)
        return min(begun, default=None)

    def __str__(self) -> str:
        waits = [call.ttft for call in self.calls if call.is_whole and call.line == "local" and call.ttft is not None]
        return (
            f"{len(self.calls)} calls, {len(waits)} answered locally (first part after at most "
            f"{1000 * max(waits, default=0.0):.0f} ms), {len(self.caught())} replies cut with the lines, "
            f"{len(self.failed())} failed without a reply; the pool's first call began {_after(self.first_local())} "
            f"the cut, the first one overseas {_after(self.first_overseas())} the healing"
        )

    @property
    def is_right(self) -> bool:
        """Both dialects were answered locally, nothing failed without a reply, and traffic went overseas again."""
        local = {call.sdk for call in self.calls if call.is_whole and call.line == "local"}
        return len(local) == 2 and not self.failed() and self.first_overseas() is not None


def _after(seconds: float | None) -> str:
    return "never after" if seconds is None else f"{seconds:.1f} s after"


def timeline(calls: Sequence[Call]) -> list[str]:
    """One row per second: calls that began in it, by where they were answered; the longest wait for a first part."""
    rows = []
    for second in range(int(SECONDS)):
        here = [call for call in calls if second <= call.begun < second + 1]
        mark = "cut" if CUT_AT <= second < CUT_AT + CUT_SECONDS else "   "
        waits = [call.ttft for call in here if call.ttft is not None]
        longest = f"first part after at most {1000 * max(waits):5.0f} ms" if waits else ""
        rows.append(f"{second:3d} s {mark}  {_places(here):60s} {longest}")
    return rows


def _places(calls: Iterable[Call]) -> str:
    return "  ".join(f"{call.sdk}:{call.line or call.status}{'' if call.is_whole else '!'}" for call in calls)


def show(plan: Plan) -> PoolShow:
    """Raises LabError, StageError."""
    with place(LINES, plan.seed, PLAIN) as made, ExitStack() as stack:
        made.start_providers(_LOAD)
        with made.lab.inside("edge"):  # the server's process stays there
            stack.enter_context(llama(_POOL_PORT))
        made.start_edge(made.configuration(replace(plan, extra=_extra(made) + plan.extra)))
        callers = _callers(made)
        made.lab.restart()
        zero = time.monotonic()
        for line in made.lines:
            made.lab.line(line).event("blackhole", at=CUT_AT, seconds=CUT_SECONDS)
        callers.communicate(b"begin\n", timeout=SECONDS + 60.0)
        return PoolShow(tuple(read_calls(made.processes.output(_CALLERS).read_text(), zero)))


def _callers(made: Place) -> subprocess.Popen[Any]:
    """The application, ready to begin."""
    url = f"http://{made.lab.address('edge')}:{PORT}"
    argv = [sys.executable, "-W", "ignore", "-m", "tests.bench.failover.callers", url, str(SECONDS)]
    process = made.processes.start(_CALLERS, "client", argv, stdin=subprocess.PIPE)
    end = time.monotonic() + READY_SECONDS
    while "ready" not in made.processes.output(_CALLERS).read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise StageError(f"the application isn't ready: {made.processes.said(_CALLERS)}")
        time.sleep(0.05)  # its word comes through a file
    return process


def _extra(made: Place) -> str:
    """A second dialect at the same far end, and the pool that stands in for both vendors' models."""
    url = f"https://{made.lab.address('provider')}:{PROVIDER_PORT}"
    return f"""
[[provider]]
id = "anthropic"
[[provider.endpoint]]
url = "{url}"
ca_file = {json.dumps(made.ca_file)}
keep_warm = 1
[[model]]
name = "gpt-4.1"
provider = "openai"
fallback = ["local/{MODEL}"]
[[model]]
name = "claude-opus-4-5"
provider = "anthropic"
fallback = ["local/{MODEL}"]
[[pool]]
id = "gpu"
url = "http://127.0.0.1:{_POOL_PORT}"
engine = "llama.cpp"
models = ["{MODEL}"]
"""


def plain_pool(show: PoolShow) -> dict[str, Any]:
    """As JSON."""
    return {**asdict(show), "is_right": show.is_right, "timeline": timeline(show.calls)}
