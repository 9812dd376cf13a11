"""Presets, the node without a file, and hosts that look like a provider's."""

from __future__ import annotations

import dataclasses

import pytest

from edge.config import sections
from edge.config.agree import clash
from edge.config.fault import ConfigError
from edge.config.hosts import distance, resembled
from edge.config.model import (
    Address,
    ClientKey,
    EdgePeer,
    Endpoint,
    Limits,
    Listen,
    Model,
    Node,
    Provider,
    Relay,
    Routing,
    Timeouts,
)
from edge.config.places import is_private
from edge.config.presets import CARRIED, DIALECTS, PRESETS, defaults, preset
from edge.config.reading import Key
from transport.path import Line


def test_presets_are_sound() -> None:
    assert len({provider.id for provider in PRESETS}) == len(PRESETS)
    for provider in PRESETS:
        (endpoint,) = provider.endpoints
        assert provider.dialect in DIALECTS
        assert endpoint.url == f"https://{endpoint.host}{endpoint.base_path}"
        assert not endpoint.base_path.endswith(CARRIED[provider.dialect])
        assert (provider.credential, endpoint.keep_warm, endpoint.tls) == (None, 0, True)
        assert preset(provider.id) is provider
        assert resembled(endpoint.host) is None
    assert preset("none") is None


def test_the_defaults() -> None:
    snapshot = defaults({"OPENAI_API_KEY": "ignored"})
    assert snapshot.providers == PRESETS
    assert snapshot.lines == (Line("direct"),)
    assert snapshot.source is None
    assert list(map(str, snapshot.listen.data)) == ["127.0.0.1:8080"]
    assert str(snapshot.listen.admin) == "127.0.0.1:8081"


def test_the_environment_may_set_the_listeners() -> None:
    listen = defaults({"FARLINE_DATA": "0.0.0.0:80, [::]:80", "FARLINE_ADMIN": ""}).listen
    assert listen.data == (Address("0.0.0.0", 80), Address("::", 80))
    assert listen.admin is None


def test_wrong_listeners_in_the_environment_are_faults() -> None:
    with pytest.raises(ConfigError, match=r'^environment: FARLINE_DATA\[0\]: "x" has no port .*\n.*FARLINE_ADMIN'):
        defaults({"FARLINE_DATA": "x", "FARLINE_ADMIN": "y"})


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("api.openai.co", "api.openai.com"),
        ("api.opeani.com", "api.openai.com"),
        ("api-openai.com", "api.openai.com"),
        ("API.0penai.com", "api.openai.com"),
        ("api.openai.com.example.net", "api.openai.com"),
        ("x.api.openai.com.example.net", "api.openai.com"),
        ("api.anthropic.ai", None),
        ("api.anthropic.con", "api.anthropic.com"),
        ("res.openai.azur.com", "*.openai.azure.com"),
        ("res.opnai.azur.com", "*.openai.azure.com"),
        ("res.opnai.azur.co", None),
        ("res.openai.azure.com", None),
        ("openai.azur.com", None),
        ("eu.api.openai.com", None),
        ("api.openai.com.", None),
        ("api.z.ai", None),
        ("llm.example.net", None),
    ],
)
def test_lookalikes(host: str, known: str | None) -> None:
    assert resembled(host) == known


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "xbcd", 2), ("ca", "abc", 3)],
)
def test_distance(one: str, other: str, edits: int) -> None:
    assert distance(one, other) == distance(other, one) == edits


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.9", True),
        ("::1", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("2001:db8::1", False),
        ("8.8.8.8", False),
        ("localhost", True),
        ("vllm", True),
        ("gpu.rack.internal", True),
        ("internal.example", False),
    ],
)
def test_private_hosts(host: str, private: bool) -> None:
    assert is_private(host) == private


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Address("0.0.0.0", 1), Address("10.0.0.1", 1), True),
        (Address("10.0.0.1", 1), Address("0.0.0.0", 1), True),
        (Address("0.0.0.0", 1), Address("::", 1), False),
        (Address("0.0.0.0", 1), Address("10.0.0.1", 2), False),
        (Address("10.0.0.2", 1), Address("10.0.0.1", 1), False),
        (Address("0.0.0.0", 0), Address("0.0.0.0", 0), False),
        (Address("/x", 0, unix=True), Address("/x", 0, unix=True), True),
        (Address("/x", 0, unix=True), Address("x", 1), False),
    ],
)
def test_clashing_listeners(one: Address, other: Address, expected: bool) -> None:
    assert clash(one, other) == expected


@pytest.mark.parametrize(
    ("keys", "model", "derived"),
    [
        (sections.NODE, Node, {"key"}),
        (sections.LISTEN, Listen, set()),
        (sections.LINE, Line, set()),
        (sections.PROVIDER, Provider, {"endpoints"}),
        (sections.ENDPOINT, Endpoint, {"provider", "host", "port", "tls", "base_path"}),
        (sections.MODEL, Model, set()),
        (sections.KEY, ClientKey, set()),
        (sections.RELAY, Relay, set()),
        (sections.EDGE, EdgePeer, set()),
        (sections.ROUTING, Routing, set()),
        (sections.TIMEOUTS, Timeouts, set()),
        (sections.LIMITS, Limits, set()),
    ],
)
def test_every_field_of_the_model_has_a_key(keys: tuple[Key, ...], model: type, derived: set[str]) -> None:
    fields = {field.name for field in dataclasses.fields(model)}
    assert {key.field for key in keys} - {"endpoint", "key"} == fields - derived
