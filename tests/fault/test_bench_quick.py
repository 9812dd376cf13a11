"""`farline bench`, as small as can be: it runs, every token is there, its reports can be read. Nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


def test_what_cannot_be_run_is_refused() -> None:
    for wrong in (["--systems", "squid"], ["--profiles", "moon"], ["--events", "earthquake"], ["--tokens", "0"]):
        command = [sys.executable, "-m", "edge.cli", "bench", "--list", *wrong]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert wrong[1] in done.stderr or "positive" in done.stderr
