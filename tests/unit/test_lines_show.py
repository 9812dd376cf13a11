"""`farline lines`' second table."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType

from edge.cli.lines_show import credentials, lines, relay_state


def relay(**more: Any) -> dict[str, Any]:
    carrier = {"line": "cn2", "kind": "datagram", "rtt_ms": 151.0, "suspected": True}
    return {
        "id": "sjc",
        "worker": 0,
        "ready": True,
        "why_not": "",
        "draining": False,
        "standing": "admitted",
        "rtt": {"median_ms": 150.0},
        "in_flight": 7,
        "sessions": 1,
        "resumes": 2,
        "suspicions": 3,
        "redundancy_factor": 1.25,
        "carriers": [carrier],
        **more,
    }


def shown(*relays: dict[str, Any]) -> str:
    told = {"lines": [], "is_panic": False, "workers": [0], "workers_expected": 1, "relays": list(relays)}
    return printed(lines(told))


def printed(what: RenderableType) -> str:
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(what)
    return console.export_text()


def test_relays_stand_below_the_lines() -> None:
    text = shown(relay(), relay(id="fra", worker=1, ready=False, why_not="no session: cn2: refused", rtt=None))
    assert "cn2 datagram 151 ms suspected" in text
    assert "1.25" in text
    assert "fra (worker 1)" in text
    assert "no session: cn2: refused" in text
    assert "relay" not in shown()


def test_the_word_that_matters_most() -> None:
    assert relay_state(relay()) == "admitted"
    assert relay_state(relay(ready=False)) == "not ready"
    assert relay_state(relay(ready=False, draining=True)) == "draining"
    assert "1.25" not in shown(relay(redundancy_factor=None))


def test_credentials_and_what_is_left() -> None:
    limits = [
        {"kind": "requests", "remaining": 23.0, "limit": 500.0, "full_in_seconds": 70.6},
        {"kind": "tokens", "remaining": 28150.0, "limit": None, "full_in_seconds": None},
    ]
    known = {"credential": "env:KEY", "endpoint": "openai", "model": "gpt-4.1", "seen": "2026-11-22T15:22:01.668Z"}
    never = {**known, "endpoint": "azure", "model": None, "seen": None, "limits": [], "paused_for_seconds": None}
    told = {"credentials": [{**known, "limits": limits, "paused_for_seconds": 3.2}, never]}
    _, first, second, third = printed(credentials(told)).splitlines()
    assert first.split()[:8] == ["env:KEY", "openai", "gpt-4.1", "requests", "23", "500", "70.6", "15:22:01Z,"]
    assert first.rstrip().endswith("no requests for 3 s")
    assert second.split()[3:7] == ["tokens", "28,150", "–", "–"]
    assert third.split() == ["env:KEY", "azure", "–", "–", "–", "–", "–", "never"]
