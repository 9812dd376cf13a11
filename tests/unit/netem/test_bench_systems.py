"""Adapters: files that are right, commands that use them. That they work is tested in a lab."""

from __future__ import annotations

import tomllib

import pytest

from netem.bench.systems import ADAPTERS, adapter
from netem.bench.systems.setup import Place
from transport.session.aio.identity import NodeKey

SOURCES = (("line1", "10.77.1.2"), ("line2", "10.77.2.2"))
PLACE = Place("/run/x", "/bin/python", "10.99.0.10", 9443, "/run/x/ca.pem", "10.88.0.1", SOURCES, 20, "10.99.0.11")


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_every_system(name: str) -> None:
    chosen = adapter(name)
    assert chosen.name == name
    assert chosen.congestion in ("bbr", "cubic")
    assert 1 <= chosen.lines <= 3
    setup = chosen.setup(PLACE)
    assert setup.base.port
    named = [argument for command in setup.commands for argument in command.argv] + list(setup.files.values())
    for file in setup.files:
        assert any(f"/run/x/{file}" in text for text in named)
    for file, text in setup.files.items():
        assert file.endswith(".key") or "10.99.0.10" in text
    is_direct = not setup.commands
    assert bool(setup.base.ca_file) == is_direct
    assert setup.base.host == ("10.99.0.10" if is_direct else "10.88.0.1")


def test_which_systems_carry_websockets() -> None:
    without = {name for name, each in ADAPTERS.items() if not each.has_websocket}
    expected = {"h2-bbr", "h3-cubic", "litellm", *(f"farline-{n}-{p}" for n in (1, 2, 3) for p in ("h2", "h3"))}
    assert without == expected


def test_farline_gets_its_lines_and_warm_connections() -> None:
    place = Place("/x", "p", "10.99.0.10", 9443, "/x/ca.pem", "10.88.0.1", (("a", "10.77.1.2"), ("b", "10.77.2.2")), 20)
    read = tomllib.loads(adapter("farline-2").setup(place).files["edge.toml"])
    assert [line["source"] for line in read["line"]] == ["10.77.1.2", "10.77.2.2"]
    (endpoint,) = read["provider"][0]["endpoint"]
    assert endpoint == {
        "url": "https://10.99.0.10:9443",
        "ca_file": "/x/ca.pem",
        "protocols": ["http/1.1"],
        "keep_warm": 20,
    }
    read = tomllib.loads(adapter("farline-2-h3").setup(place).files["edge.toml"])
    assert read["provider"][0]["endpoint"][0]["keep_warm"] == 1


@pytest.mark.parametrize("name", ["farline-relay-1", "farline-relay-2", "farline-relay-standby"])
def test_edge_and_relay_know_each_other(name: str) -> None:
    setup = adapter(name).setup(PLACE)
    relay, edge = (tomllib.loads(setup.files[f"{each}.toml"]) for each in ("relay", "edge"))
    assert relay["node"]["role"] == "relay"
    assert relay["node"]["key"] == "file:/run/x/relay.key"
    assert relay["listen"] == {"session": ["10.99.0.11:8443"], "admin": False}
    assert edge["relay"][0]["address"] == "10.99.0.11:8443"
    assert edge["relay"][0]["fingerprint"] == NodeKey.load(setup.files["relay.key"].encode()).fingerprint
    assert relay["edge"][0]["fingerprint"] == NodeKey.load(setup.files["edge.key"].encode()).fingerprint
    assert [line["id"] for line in edge["line"]] == ["line1", "line2"]
    assert relay["provider"][0]["endpoint"][0]["url"] == edge["provider"][0]["endpoint"][0]["url"]
    far, near = setup.commands
    assert (far.role, far.host, far.port) == ("far", "10.99.0.11", 8443)
    assert (near.role, near.host) == ("edge", "")
    assert setup.acquaintance > 0


def test_how_many_lines_carry_a_stream() -> None:
    read = {
        name: tomllib.loads(adapter(name).setup(PLACE).files["edge.toml"])["relay"][0]["redundancy"]
        for name in ("farline-relay-1", "farline-relay-2", "farline-relay-standby")
    }
    assert list(read.values()) == ["standby", "hot", "standby"]


def test_litellm_may_live_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARLINE_LITELLM", "/opt/litellm")
    assert adapter("litellm").needs == ("/opt/litellm",)


def test_an_unknown_system() -> None:
    with pytest.raises(ValueError, match="no system 'squid'; there are cold-cubic"):
        adapter("squid")
