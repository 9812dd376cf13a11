"""`farline bench`, as small as can be: it runs, every token is there, its reports can be read. Nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main

OPTIONS = (
    "--systems direct-cubic,nginx,farline-2 --profiles cmi-evening --traffic sse --baseline direct-cubic --rounds 1 "
    "--streams 3 --requests 3 --tokens 10"
)


def test_a_small_benchmark(tmp_path: Path) -> None:
    files = [f"--{kind}={tmp_path / kind}" for kind in ("json", "markdown", "html")]
    command = [sys.executable, "-m", "edge.cli", "bench", *OPTIONS.split(), "--events", "", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "farline-2" in done.stdout
    read = json.loads((tmp_path / "json").read_text())
    assert [cell["system"] for cell in read["cells"]] == ["direct-cubic", "nginx", "farline-2"]
    for cell in read["cells"]:
        assert cell["fault"] == ""
        assert (cell["complete"], cell["failed"], cell["truncated"]) == (3, 0, 0)
        assert (cell["lost"], cell["repeated"], cell["executions"]) == (0, 0, 3)
        assert cell["figures"]["gap_p99"]["value"] > 0
        assert cell["wire_kb_per_request"] > 2
    assert read["cells"][2]["ratios"]["ttft_p50"]["value"] > 0
    assert "| farline-2 |" in (tmp_path / "markdown").read_text()
    assert (tmp_path / "html").read_text().count("<svg") > 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("--systems=squid", "squid"),
        ("--profiles=moon", "moon"),
        ("--events=earthquake", "quake"),
        ("--tokens=0", "positive"),
    ],
)
def test_what_cannot_be_run_is_refused(wrong: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list", wrong]) == 2
    assert said in capsys.readouterr().err


def test_what_would_run_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list", "--quick"]) == 0
    assert capsys.readouterr().err == "12 turns, about 3 minutes\n"
