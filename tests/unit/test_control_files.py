"""The state file and the audit log: small enough to be tested with real files."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from edge.control.audit import KEPT, Audit
from edge.control.inside import Inside
from edge.control.state import StateFile
from edge.routing.controls import Controls, LineControl, Switch
from edge.version import version

CONTROLS = Controls(3, {"cn2": LineControl(5.0, Switch.DRAINING)})


def test_controls_are_found_again(tmp_path: Path) -> None:
    state = StateFile(str(tmp_path / "made" / "on demand"))
    assert state.load() == Controls()
    state.save(CONTROLS)
    state.save(CONTROLS)
    assert StateFile(str(state.directory)).load() == CONTROLS
    assert [path.name for path in state.directory.iterdir()] == ["controls.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff"])
def test_a_broken_file_is_set_aside_and_told(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    state = StateFile(str(tmp_path))
    state.path.write_bytes(content)
    assert state.load() == Controls()
    assert "can't be read" in caplog.text
    assert (tmp_path / "controls.unreadable").read_bytes() == content


def test_a_directory_in_the_files_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = StateFile(str(tmp_path))
    state.path.mkdir()
    assert state.load() == Controls()
    assert "can't be read" in caplog.text


def test_what_cant_be_saved_leaves_what_was(tmp_path: Path) -> None:
    state = StateFile(str(tmp_path))
    state.save(CONTROLS)
    state.path.with_suffix(".new").mkdir()
    with pytest.raises(OSError):
        state.save(Controls(4))
    assert state.load() == CONTROLS


def test_an_audit_log_is_lines_of_json(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit = Audit(str(tmp_path / "state"))
    for number in range(3):
        audit.write({"who": "安", "number": number})
    assert audit.path is not None
    lines = audit.path.read_text("utf-8").splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]
    assert [entry["number"] for entry in audit.latest(2)] == [2, 1]
    assert '"who": "安"' in caplog.text


def test_it_goes_on_where_it_was_and_may_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"number": 1}\nhalf a li\n[]\n{"number": 2}\n')
    audit = Audit(str(tmp_path))
    path.rename(tmp_path / "audit.jsonl.1")
    audit.write({"number": 3})
    assert [entry["number"] for entry in audit.latest(10)] == [3, 2, 1]
    assert path.read_text() == '{"number": 3}\n'


def test_memory_is_bounded_and_enough_without_a_file() -> None:
    audit = Audit(None)
    for number in range(KEPT + 5):
        audit.write({"number": number})
    assert audit.latest(KEPT + 5)[-1] == {"number": 5}


def test_what_cant_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    audit = Audit(str(tmp_path / "file"))
    audit.write({"number": 1})
    assert "not written" in caplog.text
    assert audit.latest(1) == [{"number": 1}]


def test_a_version_is_known_even_without_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version() not in ("", "0+source")
    monkeypatch.setattr("edge.version.distribution_version", _not_installed)
    assert version() == "0+source"


def _not_installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)


def test_the_control_plane_names_what_it_asks_for() -> None:
    assert set(Inside.__dataclass_fields__) >= {"snapshot", "view", "requests", "request", "shares"}
