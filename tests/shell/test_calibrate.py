"""`farline cache calibrate` on files: what it prints, recommends and refuses."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from edge.cli import calibrating


def calibrate(*words: str) -> int:
    parser = argparse.ArgumentParser()
    calibrating.add(parser.add_subparsers())
    args = parser.parse_args(["calibrate", *words])
    code: int = args.run(args)
    return code


def log(path: Path, count: int, wrong: int = 0) -> str:
    """`count` questions, each asked in two wordings; of `wrong` of them the second has another answer."""
    lines = []
    for number in range(count):
        lines.append({"question": f"怎么取消{number}号订单?", "answer": f"{number}"})
        lines.append(
            {"question": f"如何取消{number}号订单", "answer": f"{number} no" if number < wrong else f"{number}"}
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_enough_right_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(log(tmp_path / "log", 800)) == 0
    said = capsys.readouterr().out
    assert "semantic ≥ 0.20" in said
    assert 'similar = "semantic": similarity = 0.' in said
    assert "800 right of 800" in said
    assert "shadow" in said


def test_few_right_answers_are_no_recommendation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(log(tmp_path / "log", 50)) == calibrating.NOT_SUPPORTED
    said = capsys.readouterr().out
    assert "no threshold is recommended: 50 right answers and no wrong one don't show 99.5%; 765 would" in said
    assert '"normalised": would have answered nothing' in said


def test_wrong_answers_are_no_recommendation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log"
    file.write_text("".join(json.dumps({"question": "怎么退款" + "?" * n, "answer": str(n)}) + "\n" for n in range(9)))
    assert calibrate(str(file), "--json") == calibrating.NOT_SUPPORTED
    told = json.loads(capsys.readouterr().out)
    assert told["recommended"] is None
    assert told["normalised"]["wrong"] == 8
    assert told["is_normalised_supported"] is False
    assert calibrate(str(file)) == calibrating.NOT_SUPPORTED
    assert "wrong answers at every threshold (at 1.00: 8 of 8)" in capsys.readouterr().out


def test_nothing_to_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log"
    file.write_text('{"a": "怎么退款", "b": "怎么退货", "same": false}\n')
    assert calibrate(str(file)) == calibrating.NOT_SUPPORTED
    assert "nothing would have been answered" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["/nowhere"], "No such file"),
        (["FILE", "--embedder", "word2vec"], "expected lexical"),
        (["FILE", "--credential", "env:FARLINE_TEST_NOWHERE"], "not set"),
        (["FILE", "--embedder", "http://127.0.0.1:1/v1", "--credential", "file:FILE"], "connect"),
        (["BAD"], "line 1"),
    ],
)
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str) -> None:
    (tmp_path / "bad").write_text("{}\n")
    names = {"FILE": log(tmp_path / "log", 1), "BAD": str(tmp_path / "bad")}
    words = [names.get(word, word.replace("file:FILE", f"file:{names['FILE']}")) for word in words]
    assert calibrate(*words) == calibrating.WRONG_USAGE
    assert why in capsys.readouterr().err
