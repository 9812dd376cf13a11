"""The command line as a user meets it: in processes of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.config.watch import load

TEN_FAULTS = """\
[node]
nmae = "bj-1"
[listen]
data = ["0.0.0.0:99999"]
[[line]]
id = "cn2"
weight = -3
[[line]]
id = "cn2"
source = "10.20.0.300"
[[provider]]
id = "openai"
credential = "sk-hidden-0123456789"
[[provider]]
id = "near"
dialect = "openai"
[[provider.endpoint]]
url = "https://api.openai.co"
[[model]]
name = "gpt"
provider = "opnai"
[routing]
policy = "quickest"
race_after_ms = "250"
"""


def farline(*words: str, feed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.cli", *words], input=feed, capture_output=True, text=True, timeout=60, check=False
    )


def test_ten_faults_are_ten_lines_and_exit_2(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(TEN_FAULTS)
    done = farline("check", "-c", str(path))
    lines = done.stdout.splitlines()
    assert done.returncode == 2
    assert done.stderr == ""
    assert [int(line.removeprefix(f"{path}:").split(":")[0]) for line in lines] == [2, 4, 7, 9, 10, 13, 18, 21, 23, 24]
    assert "hidden" not in done.stdout


def test_check_prints_what_a_file_amounts_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[listen]\ndata = '0.0.0.0:80'\n[[line]]\nid = 'cn2'\ncarrier = 'CN2'\nweight = 0\n")
    assert main(["check", "-c", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"{path}: ok (edge edge)" in out
    assert "line       cn2 CN2: system route, weight 0" in out
    assert "endpoint   openai/openai: https://api.openai.com [h2 http/1.1], client" in out
    assert "warning    no line has a weight above 0" in out


def test_check_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[listen]\nadmin = ''\n")
    assert main(["check", "--json", "-c", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["faults"], told["listen"]["admin"]) == (True, [], None)
    path.write_text("x = 1\n")
    assert main(["check", "--json", "-c", str(path)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["faults"] == [
        {"file": str(path), "line": 1, "key_path": "x", "problem": "is unknown", "expected": ""},
    ]


def test_a_new_key_is_accepted_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "--id", "team"]) == 0
    out = capsys.readouterr().out
    key = next(word for word in out.split() if word.startswith("fl-"))
    path = tmp_path / "edge.toml"
    path.write_text(out[out.index("[[key]]") :])
    (kept,) = load(str(path)).keys
    assert (kept.id, kept.sha256) == ("team", hashlib.sha256(key.encode()).hexdigest())
    assert main(["keys", "new", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == hashlib.sha256(told["key"].encode()).hexdigest()
    assert told["key"] != key


def test_hash_reads_the_key_from_standard_input() -> None:
    digest = hashlib.sha256(b"fl-mine").hexdigest()
    assert digest in farline("keys", "hash", feed="fl-mine\n").stdout
    assert json.loads(farline("keys", "hash", "--json", feed="fl-mine").stdout) == {"id": "client", "sha256": digest}
    assert farline("keys", "hash", feed="\n").returncode == 2


def test_no_words_at_all_say_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "farline check -c FILE" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["keys"], ["check"], ["nothing"], ["keys", "new", "--id", "a b"]])
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: farline" in capsys.readouterr().err


def test_version() -> None:
    assert farline("--version").stdout.startswith("farline ")


def test_a_reader_that_leaves_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("x = 1\n" + "".join(f"k{number} = 1\n" for number in range(5000)))
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "edge.cli", "check", "-c", str(path)]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
