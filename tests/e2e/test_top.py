"""`farline top` against a real node whose line is failing, and `farline report` of its past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from tests.support.stage import Stage, stage


@pytest.fixture(scope="module")
def failing() -> Iterator[Stage]:
    with stage() as running:
        running.until(lambda lines: all(line["rtt"] for line in lines.values()))
        running.break_line("cu2")
        running.until(lambda lines: lines["cu2"]["standing"] == "ejected")
        yield running


def test_one_frame_says_what_is_wrong_first(failing: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once", "--width", "140", "--admin", failing.edge.admin_url]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("farline ")
    assert said[1].startswith(("cu2 is EJECTED", "cu2 is on probation"))
    text = "\n".join(said)
    assert all(f"\n{id} " in text for id in ("cn2", "cu2", "cmi"))
    assert "→ ejected" in text
    assert any(bar in text for bar in "▁▂▃▄▅▆▇█")


def test_a_report_of_the_day(failing: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [
        "--baseline",
        "cmi",
        "--monthly-cost",
        "cn2=8000",
        "--second-value",
        "0.5",
        "--admin",
        failing.edge.admin_url,
    ]
    assert main(["report", "--out", str(tmp_path / "r"), *more]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "r" / name) for name in ("report.html", "report.md")]
    text = (tmp_path / "r" / "report.md").read_text()
    assert text.startswith("# sh-1: the last day")
    assert "| cu2 |" in text
    assert "## Return on lines" in text
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert main(["report", "--span", "7d", "--out", str(tmp_path), "--admin", failing.edge.admin_url]) == 0
    assert main(["report", "--monthly-cost", "cn2=x", "--admin", failing.edge.admin_url]) == 2
    (tmp_path / "file").touch()
    assert main(["report", "--out", str(tmp_path / "file"), "--admin", failing.edge.admin_url]) == 1


def test_a_frame_as_json(failing: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once", "--json", "--admin", failing.edge.admin_url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["charts"]["series"].keys() == {"cn2", "cu2", "cmi"}
    assert main(["top", "--json", "--admin", failing.edge.admin_url]) == 2
    assert main(["top", "--once", "--admin", "127.0.0.1:1"]) == 2
