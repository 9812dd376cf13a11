"""docs/configuration.md names every key with its default, knows no other, and its example is accepted."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cache import rules
from edge.config import caching, sections
from edge.config.model import (
    Address,
    AdminKey,
    AdminOidc,
    Alert,
    Cache,
    ClientKey,
    Cluster,
    Dns,
    EdgePeer,
    Endpoint,
    History,
    Limits,
    Listen,
    Model,
    Node,
    Pool,
    Price,
    Provider,
    Relay,
    Routing,
    Timeouts,
    Trace,
)
from edge.config.presets import PRESETS
from edge.config.read import read
from edge.config.reading import Key
from edge.config.unavailable import ABSENT
from health.alerts import Measure, Rule, Severity
from health.probe import ProbeKind
from health.probing import ProbePolicy
from health.rules import HealthRules
from transport.path import Line, Protocol

MANUAL = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
RULE = {name: getattr(rules.Rule(), name) for name in rules.Rule.__slots__}
NEW_RULE = Rule("", Measure.LINE_RTT, 0.0, 0.0)
SECTIONS: dict[str, tuple[tuple[Key, ...], Any]] = {
    "[node]": (sections.NODE, Node()),
    "[listen]": (sections.LISTEN, Listen()),
    "[[line]]": (sections.LINE, Line("")),
    "[[provider]]": (sections.PROVIDER, Provider("", "", ())),
    "[[provider.endpoint]]": (sections.ENDPOINT, Endpoint("", "", "", "", 0, True)),
    "[[price]]": (sections.PRICE, Price("", 0.0, 0.0)),
    "[[model]]": (sections.MODEL, Model("", "")),
    "[[pool]]": (sections.POOL, Pool("", "", "", 0, False)),
    "[[key]]": (sections.KEY, ClientKey("", "")),
    "[[admin_key]]": (sections.ADMIN_KEY, AdminKey("", "")),
    "[admin_oidc]": (sections.ADMIN_OIDC, AdminOidc()),
    "[[relay]]": (sections.RELAY, Relay("", Address("", 0), "")),
    "[[edge]]": (sections.EDGE, EdgePeer("", "")),
    "[routing]": (sections.ROUTING, Routing()),
    "[timeouts]": (sections.TIMEOUTS, Timeouts()),
    "[limits]": (sections.LIMITS, Limits()),
    "[alert]": (sections.ALERT, Alert()),
    "[[alert.rule]]": (sections.ALERT_RULE, NEW_RULE),
    "[cache]": (sections.CACHE, Cache()),
    "[[cache.rule]]": (caching.RULE, SimpleNamespace(**RULE, largest_reply_mb=4, largest_request_mb=1)),
    "[health]": (sections.HEALTH, HealthRules()),
    "[probe]": (sections.PROBE, ProbePolicy()),
    "[trace]": (sections.TRACE, Trace()),
    "[cluster]": (sections.CLUSTER, Cluster()),
    "[dns]": (sections.DNS, Dns()),
    "[history]": (sections.HISTORY, History()),
}
IN_WORDS = {"the preset's", "see below", "the provider's", "*required*", "none", '`"client"`'}


def rows(section: str) -> dict[str, str]:
    """Key → the manual's default, in the table under the section's heading."""
    body = MANUAL.split(f"## `{section}`\n", 1)[1].split("\n## ")[0].split("\n### ")[0]
    cells = [line.split("|") for line in body.splitlines() if line.startswith("| `")]
    return {row[1].strip().strip("`"): row[4].strip() for row in cells}


def spelled(value: object) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case float() | int():
            return f"`{value:g}`" if value < 100_000 else f"`{value}`"
        case tuple():
            return f"`[{', '.join(spelled(item).strip('`') for item in value)}]`"
        case Protocol() | Severity() | ProbeKind():
            return f'`"{value.value}"`'
        case None:
            return "none"
        case _:
            return f'`"{value}"`'


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_and_default_is_in_the_manual(section: str) -> None:
    keys, default = SECTIONS[section]
    documented = rows(section)
    assert documented.keys() == {key.name for key in keys}
    for key in keys:
        told = documented[key.name]
        assert not key.required or told == "*required*", key.name
        if key.name == "enabled":
            assert told == "`true`"  # it takes the rule away, so no rule says it
        elif told not in IN_WORDS:
            assert told == spelled(getattr(default, key.field)), key.name
        elif told == "none":
            assert getattr(default, key.field, None) in (None, ()), key.name


def test_every_section_of_the_reader_is_in_the_manual() -> None:
    assert {key.name for key in sections.FILE} == {name.strip("[]") for name in SECTIONS} - {
        "provider.endpoint",
        "alert.rule",
        "cache.rule",
    }
    assert set(re.findall(r"^## `(\[.*\])`$", MANUAL, re.MULTILINE)) == SECTIONS.keys()


def test_the_presets_are_in_the_manual() -> None:
    for provider in PRESETS:
        assert f"| `{provider.id}` | {provider.dialect} | `{provider.endpoints[0].url}` |" in MANUAL


def test_what_is_absent_is_in_the_manual() -> None:
    told = MANUAL.split("## Not in this version\n", 1)[1].split("\n## ")[0]
    for row in ABSENT:
        assert (row.value or row.key[-1]) in told


def test_the_example_is_accepted() -> None:
    example = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)[-1]
    environment = {"OPENAI_API_KEY": "one", "AZURE_OPENAI_API_KEY": "two"}
    outcome = read(example, environment, lambda name: b"")
    assert outcome.faults == ()
    assert outcome.snapshot is not None
    assert [endpoint.id for endpoint in outcome.snapshot.providers[1].endpoints] == ["azure-us-east", "azure-sweden"]
