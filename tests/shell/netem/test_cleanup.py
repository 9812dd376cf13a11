"""Nothing stays behind, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netem.aio.lab import Lab
from netem.aio.namespaces import NETNS, RUN, LabError, leftovers, run, started_at, sweep
from netem.topology import LabName
from tests.shell.netem.conftest import two_lines

OWNER = """
import sys, time
from netem.aio.lab import Lab
from netem.scenario import Scenario, lines
with Lab(Scenario(lines(one="cn2"))) as lab:
    inside = lab.popen("edge", ["sleep", "60"])
    print(lab.name, lab.emulator_pid, inside.pid, flush=True)
    time.sleep(60)
"""


def start_owner() -> tuple[subprocess.Popen, LabName, int, int]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    text, emulator, inside = owner.stdout.readline().split()
    name = LabName.of(text)
    assert name is not None
    return owner, name, int(emulator), int(inside)


def kill(owner: subprocess.Popen) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def traces(name: LabName) -> list[str]:
    return [path.name for folder in (NETNS, RUN) for path in folder.iterdir() if LabName.of(path.name) == name]


def wait_until(is_so, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_owner_leaves_nothing() -> None:
    owner, name, emulator, inside = start_owner()
    assert len(traces(name)) == 4
    kill(owner)
    wait_until(lambda: not traces(name) and not is_running(emulator) and not is_running(inside))


def test_what_a_killed_emulator_leaves_is_swept_by_the_next_lab() -> None:
    owner, name, emulator, inside = start_owner()
    os.kill(emulator, signal.SIGKILL)
    wait_until(lambda: not is_running(emulator))
    assert name not in leftovers()  # its owner still lives
    kill(owner)
    assert name in leftovers()
    with Lab(two_lines()):
        assert traces(name) == []
        assert not is_running(inside)
    assert sweep() == []


def test_a_lab_whose_emulator_dies_says_so() -> None:
    with Lab(two_lines()) as lab:
        os.kill(lab.emulator_pid, signal.SIGKILL)
        wait_until(lambda: not is_running(lab.emulator_pid))
        with pytest.raises(LabError, match=r"ended|answer"):
            lab.now()
    assert traces(lab.name) == []


def test_a_reused_pid_is_told_from_the_first() -> None:
    started = started_at(os.getpid())
    assert started is not None
    assert started_at(2**22 + 1) is None
    stranger = LabName(os.getpid(), started - 1, 0)
    run(["ip", "netns", "add", stranger.namespace("edge")])
    assert stranger in sweep()
    assert traces(stranger) == []


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(LabError, match="no-such-tool"):
        run(["no-such-tool"])
