"""`farline netem`, run as a process would run it."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import netem
from netem.aio import machine
from netem.aio.namespaces import LabError
from netem.profiles import PROFILES
from netem.verify import Check

COMMAND = [
    sys.executable,
    "-c",
    "import argparse, sys; from edge.cli import netem; p = argparse.ArgumentParser();"
    "netem.add(p.add_subparsers()); a = p.parse_args(); sys.exit(a.run(a))",
    "netem",
]


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    netem.add(parser.add_subparsers())
    args = parser.parse_args(["netem", *words])
    code: int = args.run(args)
    return code


def test_profiles_as_a_table_and_as_json(capsys) -> None:
    assert run("profiles") == 0
    table = capsys.readouterr().out
    assert all(name in table for name in PROFILES)
    assert run("profiles", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)) == set(PROFILES)
    assert run("profiles", "cn2") == 0
    assert json.loads(capsys.readouterr().out)["cn2"]["up"]["delay_ms"] == 85
    assert run("profiles", "nothing") == 2
    assert "cn2" in capsys.readouterr().err


def test_run_is_inside_and_keeps_the_exit_code(tmp_path) -> None:
    (tmp_path / "s.toml").write_text('[[line]]\nid = "cn2"\nprofile = "cn2"\n')
    scenario = str(tmp_path / "s.toml")
    done = subprocess.run([*COMMAND, "run", scenario, "--", "ip", "-o", "link"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ": cn2:" in done.stdout
    event = [*COMMAND, "event", "line1", "blackhole", "--json"]
    inside = subprocess.run([*COMMAND, "run", "cn2", "--", *event], capture_output=True, text=True)
    assert (inside.returncode, json.loads(inside.stdout)) == (0, {"ok": True})
    assert subprocess.run([*COMMAND, "run", "--in", "far", "cn2", "--", "sh", "-c", "exit 7"]).returncode == 7
    assert subprocess.run([*COMMAND, "run", "cn2", "--", "sh", "-c", "kill -9 $$"]).returncode == 137


def test_run_refuses_what_it_cannot_do(capsys, tmp_path) -> None:
    assert run("run", "cn2") == 2
    assert "no command" in capsys.readouterr().err
    assert run("run", str(tmp_path / "none.toml"), "--", "true") == 2
    assert run("run", "cn3", "--", "true") == 2
    assert "no profile 'cn3'" in capsys.readouterr().err
    assert run("up", "cn3") == 2


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_up_tells_where_things_are_and_listens_to_events(capsys, options) -> None:
    process = subprocess.Popen([*COMMAND, "up", *options, "cn2+cmi-evening"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] not in ("until Ctrl-C\n", "}\n"):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    text = "".join(lines)
    assert "10.77.2.2" in text
    if options:
        control = json.loads(text)["control"]
        assert run("event", "line2", "blackhole", "--seconds", "1", "--lab", control, "--json") == 0
        assert run("event", "line9", "blackhole", "--lab", control) == 2
        assert "line9" in capsys.readouterr().err
    process.send_signal(signal.SIGINT if options else signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()


def test_which_lab_an_event_is_for(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("FARLINE_LAB", raising=False)
    monkeypatch.setattr(netem, "RUN", tmp_path / "none")
    assert run("event", "line1", "blackhole") == 2
    monkeypatch.setattr(netem, "RUN", tmp_path)
    (tmp_path / "only").touch()
    assert netem._only_lab() == tmp_path / "only"
    monkeypatch.setenv("FARLINE_LAB", "/somewhere")
    assert netem._only_lab() == Path("/somewhere")


@pytest.mark.alone
def test_doctor_verifies_for_real(capsys) -> None:
    code = run("doctor", "--json", "--seconds", "1.5")
    report = json.loads(capsys.readouterr().out)
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert (code, report["ok"]) == (0, True)
    assert report["backend"] == "tun"
    assert {ability["name"] for ability in report["abilities"]} >= {"root", "tun", "netns", "sch_netem", "tbf", "tcp"}
    assert len(report["checks"]) == 16


def test_doctor_says_no_with_its_exit_code(capsys, monkeypatch) -> None:
    monkeypatch.setattr(netem, "verify", lambda backend, seconds: [Check("x: delay", "ms", 80, 80, 95, 1)])
    assert run("doctor") == 1
    assert "<-- out of tolerance" in capsys.readouterr().out

    def broken(backend, seconds):
        raise LabError("nothing works")

    monkeypatch.setattr(netem, "verify", broken)
    assert run("doctor") == 1
    assert "nothing works" in capsys.readouterr().out


def test_doctor_without_rights(capsys, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert next(ability.name for ability in machine.abilities() if not ability.is_there) == "root"
    assert run("doctor") == 1
    assert "needs root" in capsys.readouterr().out


def test_the_backend_is_chosen_by_what_is_there(monkeypatch) -> None:
    assert machine.choose_backend("auto") == machine.choose_backend("tun") == "tun"
    assert machine.choose_backend("tc") == "tc"
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert machine.choose_backend("auto") == "tc"
    with pytest.raises(LabError, match="no /dev/net/tun"):
        machine.choose_backend("tun")


def test_a_machine_without_namespaces(monkeypatch) -> None:
    def refuse(argv, text=None):
        raise LabError("Operation not permitted")

    monkeypatch.setattr(machine, "run", refuse)
    found = {ability.name: ability for ability in machine.abilities()}
    assert found["netns"].fault == "Operation not permitted"
    assert "tun" not in found
