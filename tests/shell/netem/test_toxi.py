"""TCP faults through a real toxiproxy-server (tests/support/install-toxiproxy.sh)."""

import socket
import time
from collections.abc import Iterator

import pytest

from netem.aio import machine
from netem.aio.namespaces import LabError
from netem.aio.toxi import ToxiLab
from netem.link.conditions import Conditions, Profile
from netem.link.event import Event
from netem.scenario import LineSpec, Scenario

SLOW = Profile(Conditions(delay_ms=40), Conditions(delay_ms=60))
SCENARIO = Scenario((LineSpec("slow", SLOW), LineSpec("timed", SLOW, (Event("rtt-step", at=0.3, rtt_ms=100),))))


@pytest.fixture
def provider() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


@pytest.fixture
def lab(provider) -> Iterator[ToxiLab]:
    with ToxiLab(SCENARIO, {"provider": provider.getsockname()}) as made:
        yield made


def connect(lab: ToxiLab, provider: socket.socket, line: str) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(lab.address("provider", line), timeout=5)
    far, _ = provider.accept()
    far.settimeout(5)
    return near, far


def round_trip(near: socket.socket, far: socket.socket) -> float:
    began = time.monotonic()
    near.sendall(b"x")
    far.sendall(far.recv(1))
    assert near.recv(1) == b"x"
    return time.monotonic() - began


def test_delay_there_and_back(lab, provider) -> None:
    near, far = connect(lab, provider, "slow")
    with near, far:
        assert 0.1 <= round_trip(near, far) < 0.3


def test_events_of_the_scenario_come_in_time(lab, provider) -> None:
    near, far = connect(lab, provider, "timed")
    with near, far:
        while lab.now() < 0.5:
            time.sleep(0.02)
        assert round_trip(near, far) >= 0.2


def test_a_blackhole_holds_bytes_and_others_pass(lab, provider) -> None:
    near, far = connect(lab, provider, "slow")
    other, other_far = connect(lab, provider, "timed")
    with near, far, other, other_far:
        lab.event("slow", "blackhole", scope="up")
        near.sendall(b"x")
        far.settimeout(0.4)
        with pytest.raises(TimeoutError):
            far.recv(1)
        round_trip(other, other_far)


def test_a_reset_is_a_reset(lab, provider) -> None:
    lab.event("slow", "tcp-reset", scope="up")
    near, far = connect(lab, provider, "slow")
    with near, far:
        near.sendall(b"x")  # Toxiproxy resets when there is something to pass on
        with pytest.raises(ConnectionResetError):
            near.recv(1)


def test_without_a_server_the_way_to_one_is_told(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FARLINE_TOXIPROXY", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"install-toxiproxy\.sh"), ToxiLab(SCENARIO, {"provider": ("127.0.0.1", 1)}):
        pass
    assert [ability.is_there for ability in machine.abilities() if ability.name == "toxiproxy"] == [False]


def test_a_server_that_does_not_answer_is_named(monkeypatch) -> None:
    monkeypatch.setenv("FARLINE_TOXIPROXY", "/bin/false")
    with pytest.raises(LabError, match="doesn't answer"), ToxiLab(SCENARIO, {"provider": ("127.0.0.1", 1)}):
        pass
