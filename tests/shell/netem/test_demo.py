"""The demo as a user starts it: without a terminal, with one, rootless and in namespaces; and what is left behind."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from netem.aio.namespaces import NETNS, RUN
from netem.topology import LabName

COMMAND = [sys.executable, "-m", "edge.cli", "demo"]
BRISK = ["--streams", "2", "--tokens", "20", "--lines", "2"]
START = 40.0
"""How long a busy machine may take to start an edge and a provider, in seconds."""


def children(pid: int) -> set[int]:
    """All descendants of a process."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child, *children(child)}
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(is_so, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def labs_of(pid: int) -> list[str]:
    files = [path.name for folder in (NETNS, RUN) if folder.is_dir() for path in folder.iterdir()]
    return [name for name in files if (lab := LabName.of(name)) is not None and lab.pid == pid]


@pytest.mark.parametrize("extra", [["--rootless"], []], ids=["relays", "namespaces"])
def test_a_run_without_a_terminal_ends_with_a_summary(extra: list[str]) -> None:
    script = "1.5:blackhole cn2,6:heal cn2"
    argv = [*COMMAND, *BRISK, *extra, "--seconds", "6.5", "--script", script, "--json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    found = json.loads(out)
    assert found["stage"].startswith("relays" if extra else "namespaces")
    assert [event["text"] for event in found["events"]][:1] == ["cn2: cn2, blackhole"]
    assert [(line["id"], line["profile"], line["faults"]) for line in found["lines"]] == [
        ("cn2", "cn2", []),
        ("cmi", "cmi-evening", []),
    ]
    assert all(line["standing"] in ("admitted", "ejected", "probation") for line in found["lines"])
    for side in ("direct", "farline"):
        figures = found[side]
        assert figures["requests"] >= 2
        assert figures["tokens"] > 0
        assert figures["ttft_p50_ms"] > 300  # the provider's own time, and a round trip
        assert (figures["lost"], figures["repeated"]) == (0, 0)
    assert found["farline"]["failed"] == 0  # no request is lost that had no token yet
    assert "cmi/direct/openai" in found["farline_paths"]
    assert labs_of(process.pid) == []


@pytest.mark.parametrize("words", [["--script", "1:explode cn2"], ["--streams", "0"], ["--script", "1:heal cu9"]])
def test_bad_arguments_are_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == 2
    assert capsys.readouterr().err.startswith("farline demo: ")


class Terminal:
    """A demo on a terminal of its own, 100 × 30."""

    def __init__(self, *words: str) -> None:
        self.fd, inner = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            [*COMMAND, *BRISK, *words], stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
        )
        os.close(inner)
        self._said = ""

    def wait_for(self, pattern: str, seconds: float = 15.0) -> None:
        """Until it is on the screen; from then on only what comes later is looked at."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self._said)):
            assert time.monotonic() < deadline, (pattern, self._said[-3000:])
            if select.select([self.fd], [], [], 0.2)[0]:
                text = os.read(self.fd, 65536).decode(errors="replace")
                self._said += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
        self._said = self._said[found.end() :]

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def end(self, seconds: float = 15.0) -> int:
        """Read on until it has ended; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self._said += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:  # Linux says EIO when nobody has the other end open any more
                    self.process.wait(5)
        return self.process.returncode


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal("--rootless")
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
            opened.process.wait()
        os.close(opened.fd)


def test_keys(terminal: Terminal) -> None:
    terminal.wait_for(r"direct over cn2", START)
    terminal.wait_for(r"Every answer")
    terminal.press("2")
    terminal.wait_for(r"cmi: cmi-evening, blackhole")
    terminal.press("2b")
    terminal.wait_for(r"cmi: cmi-evening, brown-out")
    terminal.press("b\tr")
    terminal.wait_for(r"cn2: cn2, rtt-step")
    terminal.press("p")
    terminal.wait_for(r"cn2: cmi-evening, rtt-step")
    terminal.press(" ")
    terminal.wait_for(r"PAUSED")
    helpers = children(terminal.process.pid)
    assert len(helpers) == 2
    terminal.press("q")
    terminal.wait_for(r"the whole run")
    assert terminal.end() == 0
    assert not any(map(is_running, helpers))


@pytest.mark.parametrize(("extra", "number"), [(["--rootless"], signal.SIGKILL), ([], signal.SIGINT)])
def test_rows_for_a_pipe_and_nothing_left_behind(extra: list[str], number: int) -> None:
    argv = [*COMMAND, *BRISK, *extra, "--script", "1:rtt-step cmi rtt_ms=50"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().strip().endswith("s | cmi: cmi-evening, rtt-step")
    assert re.match(r" +2\.\d s \| direct: TTFT", process.stdout.readline())
    helpers = children(process.pid)
    assert len(helpers) >= 2
    assert bool(labs_of(process.pid)) == (not extra)
    process.send_signal(number)
    rows, complaints = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert (process.returncode, complaints) == (0, "")
        assert rows.splitlines()[-1].startswith("farline's streams: ")
    wait_until(lambda: not any(map(is_running, helpers)))
    assert labs_of(process.pid) == []
