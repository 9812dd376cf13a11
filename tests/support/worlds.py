"""One edge and one provider for many tests: every vendor's API over every protocol, on routes of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.nodes import LINES, Edge, Provider

PROTOCOLS = {"h1": "http/1.1", "h2": "h2", "h3": "h3"}
WEIGHTS = {"cn2": 60, "cu2": 30, "cmi": 10}
APIS = ("openai", "anthropic", "gemini", "azure", "generic")
MODELS = {"gpt-over-h2": "openai-h2", "gpt-over-h3": "openai-h3", "claude-over-h2": "anthropic-h2"}
NODE_KEY = "sk-of-the-node"
IDLE_SECONDS = 1.5


@dataclass(frozen=True)
class World:
    """An edge whose provider `openai-h2` is the fake provider's OpenAI API over HTTP/2, and so on."""

    provider: Provider
    edge: Edge

    def url(self, api: str, protocol: str) -> str:
        """The base URL of an API: what an application sets."""
        return f"{self.edge.url}/{api}-{protocol}"


def world_config(provider: Provider, extra: str = "", *, credential: str = "client", idle: float = IDLE_SECONDS) -> str:
    """Three lines of unlike weight, and a [[provider]] for each API and protocol. No probes and no cache: what the
    provider logs and counts here is what requests bring about."""
    text = [
        '[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"',
        '[routing]\npolicy = "weighted"',
        f"[timeouts]\nidle_seconds = {idle}",
        "[probe]\nenabled = false",
        '[cache]\nstore = "off"',
        extra,
    ]
    for name, source in LINES.items():
        text.append(f'[[line]]\nid = "{name}"\nsource = "{source}"\nweight = {WEIGHTS[name]}')
    for protocol, name in PROTOCOLS.items():
        text += [_provider(provider, f"{api}-{protocol}", api, name, credential) for api in APIS]
    text.append(_provider(provider, "openai-drain", "openai", "http/1.1", credential, 'on_client_gone = "drain"\n'))
    text.append(_provider(provider, "openai-pass", "openai", "http/1.1", "client"))
    text += [f'[[model]]\nname = "{model}"\nprovider = "{provider}"' for model, provider in MODELS.items()]
    return "\n".join(text) + "\n"


def _provider(provider: Provider, id: str, dialect: str, protocol: str, credential: str, extra: str = "") -> str:
    return (
        f'[[provider]]\nid = "{id}"\ndialect = "{dialect}"\ncredential = "{credential}"\n{extra}'
        f'[[provider.endpoint]]\nurl = "{provider.url}"\nprotocols = {json.dumps([protocol])}\n'
        f'ca_file = "{provider.ca_file}"\n'
    )


@contextmanager
def world(extra: str = "", sim: str = "think_ms=2,interval_ms=1,tokens=4", **settings: Any) -> Iterator[World]:
    """Starts both, the edge trusting the provider's CA."""
    environment = {"FARLINE_TEST_NODE_KEY": NODE_KEY}
    with Provider(tls=True, sim=sim) as provider:
        with Edge(world_config(provider, extra, **settings), environment) as edge:
            yield World(provider, edge)
