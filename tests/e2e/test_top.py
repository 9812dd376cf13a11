"""`farline top` against a real node whose line is failing, and `farline report` of its past."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime
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
        "--monthly-cost",
        "cu2=5000",
        "--second-value",
        "0.5",
        "--currency",
        "CNY",
        "--admin",
        failing.edge.admin_url,
    ]
    assert main(["report", "--out", str(tmp_path / "r"), *more]) == 0
    said = {Path(line).name for line in capsys.readouterr().out.split()}
    assert said == {"report.html", "report.md", *(f"report-{line}.svg" for line in ("cmi", "cn2", "cu2"))}
    assert said == {path.name for path in (tmp_path / "r").iterdir()}
    assert "](report-cu2.svg)" in (tmp_path / "r" / "report.md").read_text()
    text = (tmp_path / "r" / "report.md").read_text()
    assert text.startswith("# sh-1: the last day")
    assert "| cu2 |" in text
    assert "## Return on lines" in text
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.count("<svg") == 3
    month = datetime.now(UTC).strftime("%Y-%m")
    (bad,) = [row for row in text.splitlines() if row.startswith(f"| {month} | cu2 | CU2 |")]
    credit = "30.0% | 1,500.00" if float(bad.split("|")[4].strip(" %")) < 99 else "10.0% | 500.00"
    assert bad.endswith(f"| 5,000.00 CNY | {credit} CNY |")
    (good,) = [row for row in text.splitlines() if row.startswith(f"| {month} | cn2 | CN2 |")]
    assert good.endswith("| 8,000.00 CNY | 0.0% | 0.00 CNY |")
    assert "## Vendor scorecard" in text
    assert "<script" not in page
    assert main(["report", "--span", "7d", "--out", str(tmp_path), "--admin", failing.edge.admin_url]) == 0
    assert main(["report", "--span", "30d", "--out", str(tmp_path), "--admin", failing.edge.admin_url]) == 0
    for period in ("this-week", month, "yesterday"):
        assert main(["report", "--period", period, "--out", str(tmp_path), "--admin", failing.edge.admin_url]) == 0
    assert main(["report", "--period", "2026-13", "--out", str(tmp_path), "--admin", failing.edge.admin_url]) == 1
    assert main(["report", "--credit", "x", "--admin", failing.edge.admin_url]) == 2
    assert main(["report", "--monthly-cost", "cn2=x", "--admin", failing.edge.admin_url]) == 2
    (tmp_path / "file").touch()
    assert main(["report", "--out", str(tmp_path / "file"), "--admin", failing.edge.admin_url]) == 1


def test_a_frame_as_json(failing: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once", "--json", "--admin", failing.edge.admin_url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["charts"]["series"].keys() == {"cn2", "cu2", "cmi"}
    assert main(["top", "--json", "--admin", failing.edge.admin_url]) == 2
    assert main(["top", "--once", "--admin", "127.0.0.1:1"]) == 2


def test_who_asks_too_often_is_given_the_time_to_wait(failing: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    def exhaust() -> None:
        for _ in range(2000):
            failing.api("endpoints")

    with pytest.raises(urllib.error.HTTPError, match="429") as turned:
        exhaust()
    assert int(turned.value.headers["retry-after"]) >= 1
    turned.value.close()
    assert main(["top", "--once", "--json", "--admin", failing.edge.admin_url]) == 0
    assert json.loads(capsys.readouterr().out)["charts"]
