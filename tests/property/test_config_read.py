"""Whatever a file says, the reader accepts it or says what is wrong, and never raises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import sections
from edge.config.read import Outcome, read
from edge.config.reading import Key
from edge.config.sections import FILE
from tests.property.test_config_positions import DOCUMENTS

PLANTED = "sk-planted0123456789abcdefSECRET"
LEAVES = st.one_of(
    st.sampled_from(
        ["''", f"'{PLANTED}'", "'env:SET'", "'env:UNSET'", "'file:x'", "'client'", "'openai'", "'0.0.0.0:1'", "'::1'"]
    ),
    st.sampled_from(["'https://a.example/v1'", "'http://x'", "'h2'", "'cn2'", "'unix:/x'", f"'https://u:{PLANTED}@h'"]),
    st.sampled_from(["-1", "0", "1", "99999999999999999999999", "1e400", "nan", "-inf", "0.5", "true", "1979-05-27"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["cert", "key", "url", "id", "x-y"]), inner, max_size=2).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + "}"
        )
    ),
    max_leaves=4,
)
KEYS = {
    "[node]": sections.NODE,
    "[listen]": sections.LISTEN,
    "[[line]]": sections.LINE,
    "[[provider]]": sections.PROVIDER,
    "[[provider.endpoint]]": sections.ENDPOINT,
    "[[model]]": sections.MODEL,
    "[[key]]": sections.KEY,
    "[routing]": sections.ROUTING,
    "[timeouts]": sections.TIMEOUTS,
    "[limits]": sections.LIMITS,
}


@st.composite
def blocks(draw: st.DrawFn) -> str:
    header = draw(st.sampled_from(sorted(KEYS)))
    names = [key.name for key in KEYS[header]]
    pairs = draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=4))
    return "\n".join([header, *(f"{name} = {value}" for name, value in pairs.items())]) + "\n"


def content(name: str) -> bytes:
    if name.endswith("x"):
        return b"content"
    raise FileNotFoundError(2, "No such file", name)


def read_it(text: str) -> Outcome:
    return read(text, {"SET": "a-secret-value"}, content, "f.toml")


def check(text: str) -> None:
    outcome = read_it(text)
    assert (outcome.snapshot is None) == bool(outcome.faults)
    source = text.split("\n")
    for fault in outcome.faults:
        assert 1 <= fault.line <= max(len(source), 1)
        assert "\n" not in str(fault)
        assert PLANTED not in str(fault)
        assert "a-secret-value" not in str(fault)
    assert "a-secret-value" not in repr(outcome)


@settings(max_examples=120, deadline=None)
@given(st.lists(blocks(), max_size=5).map("".join))
def test_nearly_right_files(text: str) -> None:
    check(text)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_any_toml(text: str) -> None:
    check(text)


@settings(max_examples=120, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=80) | st.text("[]{}=.,'\"#\\\n\ra1", max_size=60))
def test_any_text(text: str) -> None:
    read_it(text)


@given(st.sampled_from(FILE), VALUES)
def test_any_value_in_place_of_a_section(key: Key, value: str) -> None:
    check(f"{key.name} = {value}\n")
