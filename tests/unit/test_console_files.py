"""The console's files: what browsers are told of them, and that every language has every word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge.console.files import HEADERS, load

STATIC = Path(__file__).parents[2] / "edge" / "console" / "static"
LANGUAGES = sorted(path.stem for path in (STATIC / "i18n").glob("*.json"))
SOURCES = "".join(path.read_text("utf-8") for path in sorted(STATIC.rglob("*.js")) if path.parent.name != "vendor")


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
    return found


def test_all_files_are_there_with_their_types_and_tags() -> None:
    files = load()
    assert files["index.html"].type == "text/html; charset=utf-8"
    assert {"app.js", "pages/lines.js", "i18n/zh.json", "vendor/uPlot.iife.min.js"} <= files.keys()
    assert "vendor/uPlot.LICENSE" not in files
    assert len({file.tag for file in files.values()}) == len(files)
    assert "'unsafe" not in HEADERS["content-security-policy"]


def test_no_module_waits_for_another_to_be_asked_for() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    modules = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js") if path.parent.name != "vendor"}
    early = set(re.findall(r'rel="modulepreload" href="console/([^"]+)"', page))
    assert early == modules - {"app.js", "theme.js"}


def test_every_language_has_every_word_and_no_other() -> None:
    assert LANGUAGES == ["en", "zh"]
    assert set(words("en")) == set(words("zh"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_fill_in_the_same_values(language: str) -> None:
    for key, text in words("en").items():
        told = set(re.findall(r"\{(\w+)\}", words(language)[key]))
        assert told == set(re.findall(r"\{(\w+)\}", text)) or key.endswith(".one"), key
        assert words(language)[key].strip() or key == "list.space", key


def test_every_word_that_the_pages_ask_for_is_there() -> None:
    asked = set(re.findall(r"\bt\(\s*\"([^\"]+)\"", SOURCES))
    assert len(asked) > 100
    assert asked <= words("en").keys()


def test_text_is_never_parsed_as_html() -> None:
    """`innerHTML` is only compared; nothing that writes markup or runs text is used."""
    assert (
        re.findall(r"(?:innerHTML|outerHTML)\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function", SOURCES)
        == []
    )
