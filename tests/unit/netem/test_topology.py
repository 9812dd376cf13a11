import pytest

from netem.scenario import Scenario, lines
from netem.topology import ROLES, LabName, Topology

TWO = Topology(Scenario(lines(cn2="cn2", cmi="cmi-evening"), congestion="bbr"))


def test_a_name_says_whose_the_lab_is() -> None:
    name = LabName(4711, 0xABC, 2)
    assert str(name) == "farline-4711-abc-2"
    assert LabName.of(str(name)) == LabName.of(name.namespace("edge")) == name
    assert LabName.of("farline-4711") is None
    assert LabName.of("somebody-1-2-3") is None


def test_addresses() -> None:
    assert [TWO.address("edge", line) for line in ("cn2", "cmi")] == ["10.77.1.2", "10.77.2.2"]
    assert [TWO.address("client", line) for line in ("cn2", "cmi")] == ["10.88.1.1", "10.88.2.1"]
    assert (TWO.address("edge"), TWO.address("client")) == ("10.88.0.1", "10.88.0.2")
    assert [TWO.address(host) for host in ("provider", "relay")] == ["10.99.0.10", "10.99.0.11"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no line 'cu2'.*cn2, cmi"):
        TWO.index("cu2")
    with pytest.raises(ValueError, match=r"no host 'moon'.*provider, relay"):
        TWO.address("moon")


def test_the_source_address_or_the_interface_chooses_the_line() -> None:
    edge = TWO.commands("edge")
    assert "rule add from 10.77.2.2 lookup 102" in edge
    assert "rule add from 10.88.2.1 lookup 102" in edge
    assert "rule add oif cmi lookup 102" in edge
    assert "route add default dev cmi src 10.77.2.2 table 102" in edge
    assert edge[-1] == "route add default dev cn2 src 10.77.1.2"


def test_answers_go_back_by_the_line_of_the_address() -> None:
    far = TWO.commands("far")
    assert "address add 10.99.0.11/32 dev lo" in far
    assert "route add 10.77.2.2/32 dev cmi" in far
    assert "route add 10.88.2.1/32 via 10.77.2.2 dev cmi onlink" in far


def test_the_client_sees_the_edge_as_its_router() -> None:
    assert "route add default via 10.88.0.1 src 10.88.0.2" in TWO.commands("client")
    assert TWO.wiring("ns") == ["link add name lan0 type veth peer name lan0 netns ns"]
    assert TWO.cables("ns")[1] == "link add name cmi type veth peer name cmi netns ns"


def test_kernel_settings() -> None:
    assert TWO.sysctls("edge")["ipv4/ip_forward"] == "1"
    assert all(TWO.sysctls(role)["ipv4/tcp_congestion_control"] == "bbr" for role in ROLES)
    plain = Topology(Scenario(lines(a="cn2"))).sysctls("far")
    assert "ipv4/tcp_congestion_control" not in plain
    assert "ipv4/ip_forward" not in plain
