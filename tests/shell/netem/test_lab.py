"""A real lab: real namespaces, the kernel's own UDP and TCP."""

import errno
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from netem.aio import lab as lab_module
from netem.aio.control import Remote
from netem.aio.lab import ENVIRONMENT, Lab, LineControl
from netem.aio.namespaces import NETNS, LabError
from netem.link.conditions import Conditions, Profile
from netem.link.link import Link
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario
from tests.shell.netem.conftest import QUICK, Ends, two_lines


def test_the_source_address_chooses_the_line(lab, ends, passes) -> None:
    provider = ends.udp("far", lab.address("provider"))
    for line in ("one", "two"):
        before = lab.line(line).tally()["up"]["offered"]
        assert passes(ends.udp("edge", lab.address("edge", line)), provider)
        assert passes(ends.udp("client", lab.address("client", line)), provider)
        assert lab.line(line).tally()["up"]["offered"] == before + 2


def test_the_interface_chooses_the_line(lab, ends, passes) -> None:
    provider = ends.udp("far", lab.address("provider"))
    near = ends.udp("edge", "0.0.0.0")
    near.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"two")
    before = lab.line("two").tally()["up"]["offered"]
    assert passes(near, provider)
    assert lab.line("two").tally()["up"]["offered"] == before + 1


def test_answers_come_back_by_the_same_line(lab, ends) -> None:
    relay = ends.udp("far", lab.address("relay"))
    for role, address in (
        ("edge", lab.address("edge", "two")),
        ("client", lab.address("client", "two")),
        ("client", lab.address("client")),
    ):
        near = ends.udp(role, address)
        near.sendto(b"ping", relay.getsockname())
        data, sender = relay.recvfrom(100)
        assert sender[0] == address
        relay.sendto(data, sender)
        assert near.recv(100) == b"ping"


def test_client_and_edge_are_neighbours(lab, ends, passes) -> None:
    assert passes(ends.udp("client", lab.address("client")), ends.udp("edge", lab.address("edge")))


def test_a_round_trip_takes_what_the_profile_says(lab, ends) -> None:
    lab.line("one").profile("clean")
    near, far = ends.tcp("one")
    began = time.monotonic()
    near.sendall(b"x")
    far.sendall(far.recv(1))
    near.recv(1)
    assert 0.150 <= time.monotonic() - began < 0.300


def test_blackhole_of_one_line_and_one_direction(lab, ends, passes) -> None:
    far = ends.udp("far", lab.address("provider"))
    one, two = (ends.udp("edge", lab.address("edge", line)) for line in ("one", "two"))
    lab.line("one").event("blackhole", scope="up")
    assert not passes(one, far)
    assert passes(far, one)
    assert passes(two, far)
    lab.line("one").clear()
    assert passes(one, far)


def test_an_event_ends_by_itself_and_tcp_recovers(lab, ends) -> None:
    near, far = ends.tcp("one")
    lab.line("one").event("blackhole", seconds=0.3)
    began = time.monotonic()
    near.sendall(b"late")
    assert far.recv(10) == b"late"
    assert time.monotonic() - began > 0.29


def test_udp_blocked_leaves_tcp_alone(lab, ends, passes) -> None:
    lab.line("one").event("udp-blocked")
    near, far = ends.tcp("one")
    near.sendall(b"x")
    assert far.recv(1) == b"x"
    assert not passes(ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider")))
    assert lab.line("one").tally()["up"]["blocked"] >= 1


def test_policed_udp_is_held_to_its_rate(lab, ends) -> None:
    lab.line("one").profile(profile("udp-policed"))
    near, far = ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider"))
    for _ in range(60):
        near.sendto(bytes(1000), far.getsockname())
    time.sleep(0.1)
    tally = lab.line("one").tally()["up"]
    assert 28 <= tally["policed"] <= 32


def test_large_packets_vanish_in_silence(lab, ends, passes) -> None:
    near, far = ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider"))
    lab.line("one").event("mtu", mtu=1400)
    assert passes(near, far, bytes(1372))
    assert not passes(near, far, bytes(1373))


def test_or_with_an_icmp_message(lab, ends, passes) -> None:
    narrow = replace(QUICK.up, mtu=1300, mtu_icmp=True)
    lab.line("one").profile(Profile(narrow, narrow))
    near, far = ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider"))
    near.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER = IP_PMTUDISC_DO
    assert not passes(near, far, bytes(1400))
    with pytest.raises(OSError) as refused:
        near.sendto(bytes(1400), far.getsockname())
    assert refused.value.errno == errno.EMSGSIZE
    assert passes(near, far, bytes(1200))


def test_a_reset_ends_both_ends(lab, ends) -> None:
    near, far = ends.tcp("one")
    lab.line("one").event("tcp-reset", seconds=0.5)
    near.sendall(b"x")
    for end in (near, far):
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_a_nat_rebinds(lab, ends, passes) -> None:
    near, far = ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider"))
    seen = []
    for _ in range(2):
        near.sendto(b"x", far.getsockname())
        seen.append(far.recvfrom(10)[1])
        lab.line("one").event("nat-rebind")
    near.sendto(b"x", far.getsockname())
    seen.append(far.recvfrom(10)[1])
    assert seen[0] == near.getsockname()
    assert len(set(seen)) == 3
    far.sendto(b"answer", seen[2])
    assert near.recv(10) == b"answer"
    far.sendto(b"too late", seen[1])
    near.settimeout(0.1)
    with pytest.raises(TimeoutError):
        near.recv(10)


def test_corruption_is_caught_by_checksums(lab, ends, passes) -> None:
    broken = replace(QUICK.up, corrupt=1.0)
    lab.line("one").profile(Profile(broken, QUICK.down))
    assert not passes(ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider")))
    assert lab.line("one").tally()["up"]["corrupted"] == 1


def test_a_quiet_lab_has_no_troubles_of_its_own(lab, ends, passes) -> None:
    assert passes(ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider")))
    troubles = lab.troubles()
    assert set(troubles) == {"late_writes", "refused_writes", "overruns"}
    assert troubles["refused_writes"] == troubles["overruns"] == 0


def test_wrong_requests_are_refused_and_change_nothing(lab) -> None:
    with pytest.raises(LabError, match="earthquake"):
        lab.line("one").event("earthquake")
    with pytest.raises(ValueError, match="no line 'three'"):
        lab.line("three")
    remote = Remote(lab.control_path)
    for request, said in (
        ({"do": "event", "line": "three", "event": {}}, "three"),
        ({"do": "dance", "line": "one"}, "dance"),
        ({"do": "profile", "line": "one", "profile": {"up": {"loss": 3}}}, "loss"),
        ({"do": "profile", "line": "one", "profile": 3}, "int"),
        ({}, "do"),
    ):
        with pytest.raises(LabError, match=said):
            remote.ask(**request)
    assert remote.ask(do="now")["now"] > 0
    remote.close()


def drops(seed: int) -> list[bool]:
    lossy = Conditions(delay_ms=1, loss=0.3)
    with Lab(Scenario((LineSpec("one", Profile(lossy, lossy)),), seed=seed)) as lab:
        ends = Ends(lab)
        near, far = ends.udp("edge", lab.address("edge", "one")), ends.udp("far", lab.address("provider"))
        for number in range(200):
            near.sendto(bytes([number]), far.getsockname())
        far.settimeout(0.3)
        came = set()
        try:
            while True:
                came.add(far.recv(1)[0])
        except TimeoutError:
            ends.close()
        return [number not in came for number in range(200)]


def test_the_same_seed_drops_the_same_packets_and_as_the_model_says() -> None:
    lossy = Conditions(delay_ms=1, loss=0.3)
    model = Link(Profile(lossy, lossy), 5, "one")
    first = drops(5)
    assert first == drops(5) == [not model.offer("up", 29, b"", 0.0) for _ in range(200)]
    assert first != drops(6)


def test_commands_run_where_they_should_and_end_with_the_lab(monkeypatch) -> None:
    with Lab(two_lines(congestion="bbr")) as lab:
        shown = lab.run_in("relay", ["ip", "-o", "address"], capture_output=True, text=True, check=True).stdout
        assert "10.99.0.11" in shown
        asked = [sys.executable, "-c", f"import os; print(os.environ['{ENVIRONMENT}'])"]
        assert lab.run_in("edge", asked, capture_output=True, text=True).stdout.strip() == str(lab.control_path)
        kernel = "/proc/sys/net/ipv4/tcp_congestion_control"
        assert lab.run_in("far", ["cat", kernel], capture_output=True, text=True).stdout.strip() == "bbr"
        sleeper = lab.popen("client", ["sleep", "60"])
        deaf = lab.popen("far", ["sh", "-c", "trap '' TERM; echo ready; sleep 60"], stdout=subprocess.PIPE)
        assert deaf.stdout is not None
        assert deaf.stdout.readline() == b"ready\n"
        with pytest.raises(ValueError, match="moon"):
            lab.popen("moon", ["true"])
        namespaces = [NETNS / lab.namespace(role) for role in ("client", "edge", "far")]
        assert all(path.exists() for path in namespaces)
        assert lab.emulator_pid > 0
        monkeypatch.setattr(lab_module, "PATIENCE", 1.0)
    assert sleeper.returncode == -15
    assert deaf.returncode == -9
    assert not any(path.exists() for path in namespaces)
    assert not lab.control_path.exists()


def test_two_labs_at_once_do_not_know_each_other() -> None:
    with Lab(two_lines()) as a, Lab(two_lines()) as b:
        a.line("one").event("blackhole")
        assert b.line("one").tally()["up"]["offered"] == 0
        first, second = Ends(a), Ends(b)
        far = second.udp("far", b.address("provider"))
        second.udp("edge", b.address("edge", "one")).sendto(b"x", far.getsockname())
        assert far.recv(1) == b"x"
        first.close()
        second.close()


def test_a_lab_that_is_not_open_says_so() -> None:
    lab = Lab(two_lines())
    for use in (lab.now, lambda: lab.line("one"), lambda: lab.emulator_pid):
        with pytest.raises(LabError, match="isn't open"):
            use()


def test_what_cannot_be_built_is_explained_and_leaves_nothing() -> None:
    lab = Lab(two_lines(congestion="nonsense"))
    with pytest.raises(LabError, match="tcp_congestion_control = nonsense"), lab:
        pass
    assert not (NETNS / lab.namespace("edge")).exists()
    with pytest.raises(LabError, match="no lab answers"):
        LineControl(Remote(lab.control_path), "one")
