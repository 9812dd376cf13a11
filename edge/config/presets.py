"""Providers that need no configuration, and the node that runs without a file.

What follows a provider's prefix is sent as it came, with its version: `/groq/v1/models` → `https://api.groq.com/openai`
+ `/v1/models`. So a base URL must not end in the version, though vendors print it that way for their SDKs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from edge.config.fault import ConfigError
from edge.config.model import Endpoint, Listen, Provider, Snapshot
from edge.config.places import admin_address, data_addresses
from edge.config.reading import Key, Reading

DIALECTS = ("openai", "anthropic", "gemini", "azure", "generic")
AZURE_DOMAINS = ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
CARRIED = {  # dialect → ends of a base URL that the requests bring along themselves
    "openai": ("/v1",),
    "anthropic": ("/v1",),
    "gemini": ("/v1", "/v1beta", "/v1alpha", "/v1beta/openai"),
    "azure": ("/openai", "/openai/v1"),
    "generic": (),
}


def _preset(id: str, dialect: str, url: str) -> Provider:
    parts = urlsplit(url)
    endpoint = Endpoint(id, id, url, parts.hostname or "", 443, True, base_path=parts.path)
    return Provider(id, dialect, (endpoint,))


PRESETS = (
    _preset("openai", "openai", "https://api.openai.com"),
    _preset("anthropic", "anthropic", "https://api.anthropic.com"),
    _preset("gemini", "gemini", "https://generativelanguage.googleapis.com"),
    _preset("openrouter", "openai", "https://openrouter.ai/api"),
    _preset("deepseek", "openai", "https://api.deepseek.com"),
    _preset("groq", "openai", "https://api.groq.com/openai"),
    _preset("mistral", "openai", "https://api.mistral.ai"),
    _preset("together", "openai", "https://api.together.xyz"),
    _preset("xai", "openai", "https://api.x.ai"),
)


def preset(id: str) -> Provider | None:
    """The preset of that id."""
    return next((provider for provider in PRESETS if provider.id == id), None)


def defaults(environment: Mapping[str, str]) -> Snapshot:
    """The node without a file: one direct line, the presets, the callers' own credentials, loopback listeners.

    For containers, `FARLINE_DATA` (comma-separated) and `FARLINE_ADMIN` replace the listeners' addresses.

    Raises:
        ConfigError: one of the two variables isn't an address.
    """
    table: dict[str, object] = {}
    if "FARLINE_DATA" in environment:
        table["FARLINE_DATA"] = [part.strip() for part in environment["FARLINE_DATA"].split(",")]
    if "FARLINE_ADMIN" in environment:
        table["FARLINE_ADMIN"] = environment["FARLINE_ADMIN"].strip()
    no_files: dict[str, bytes] = {}
    reading = Reading("environment", {}, environment, no_files.__getitem__)
    fields = reading.fields((), table, _VARIABLES)
    if reading.faults:
        raise ConfigError([replace(fault, line=0) for fault in reading.faults])
    return Snapshot(listen=replace(Listen(), **fields), providers=PRESETS)


_VARIABLES = (Key("FARLINE_DATA", data_addresses, "data"), Key("FARLINE_ADMIN", admin_address, "admin"))
