"""One form for texts that differ only in width, case, punctuation, white space and politeness.

It keeps words, numbers, dates and ids exactly as they are written, in their order; nothing is stemmed. Only short plain
questions have such a form: a text that quotes, shows code or asks about words may mean its punctuation.
"""

from __future__ import annotations

import re
import unicodedata

from cache.similar.phrases import ABOUT_WORDS, CASED, ENDING, OPENING, PARTICLES

MOST_CHARACTERS = 300
"""Longer texts are no questions that somebody else asks in other words."""

_WIDTHS = ("<wide>", "<narrow>")
_APOSTROPHES = str.maketrans("‘’`´", "''''")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_QUOTING = re.compile("[\"“”«»「」『』《》<>{}\\[\\]|\\\\`=^_]|\n\\s*\n|(?<!\\w)'|'(?!\\w)")
_HAN = "\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(r"https?://\S+|[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_COUNTED = re.compile("[0-9]+[A-Za-z]+|[A-Za-z_-]+")
_KEPT_INSIDE = re.compile(r"(?<=[^\W_])[.,:/@+&'-](?=[^\W_])|[%$€£¥#°]|(?<!\w)[+-](?=\d)|(?<=\w)[+]")
_DROPPED = re.compile(r"[^\w\s%$€£¥#°]|_")
_BESIDE_HAN = re.compile(f"(?<=[{_HAN}]) +| +(?=[{_HAN}])")
_PARTICLE_END = re.compile(f"(?<=[{_HAN}])[{PARTICLES}]+[^\\w%]*$")
_ASKED_END = re.compile("(什么|怎么|怎样|如何|哪|谁|几|多少|多久|为何|为啥|何时|吗|么)(.*[^你我他她它们])呢[^\\w%]*$")


class NotPlain(Exception):
    """This text has no normal form; `args[0]` says why, from a closed set."""


def folded(text: str) -> str:
    """Half width, small letters, straight apostrophes; composed (NFC). `x²` stays apart from `x2`, and what mixes
    letters and digits (an id) keeps its case."""
    usual = _INVISIBLE.sub("", text).translate(_APOSTROPHES)
    if not usual.isascii():
        usual = unicodedata.normalize("NFC", "".join(map(_narrow, usual)))
    cased = frozenset[str]() if usual.isupper() else CASED
    return _WORD.sub(lambda found: _cased(found[0], cased), usual)


def _cased(word: str, cased: frozenset[str]) -> str:
    return word.lower() if _COUNTED.fullmatch(word) and word not in cased else word


def trimmed(text: str) -> str:
    """`text` folded, without greetings, thanks and other politeness at its ends. Raises NotPlain."""
    usual = folded(text).strip()
    if len(usual) > MOST_CHARACTERS:
        raise NotPlain("too long")
    if _QUOTING.search(usual):
        raise NotPlain("quotes or code")
    if ABOUT_WORDS.search(usual):
        raise NotPlain("about words")
    while (shorter := _shorter(usual)) != usual:
        usual = shorter
    return usual


def normal(text: str) -> str:
    """The form. Raises NotPlain."""
    return spaced(trimmed(text))


def _narrow(character: str) -> str:
    if unicodedata.decomposition(character).startswith(_WIDTHS):
        return unicodedata.normalize("NFKC", character)
    return character


def _shorter(text: str) -> str:
    """Without one polite phrase at either end, and without final particles; never without everything."""
    for pattern in (OPENING, ENDING, _PARTICLE_END):
        rest = pattern.sub("", text)
        if rest.strip():
            text = rest
    return _ASKED_END.sub(r"\1\2", text)


def spaced(text: str) -> str:
    """What `trimmed` left without sentence punctuation, but with what stands inside of numbers, names and dates; single
    spaces. Raises NotPlain."""
    kept = {found.start() for found in _KEPT_INSIDE.finditer(text)}
    plain = "".join(c if at in kept or not _DROPPED.match(c) else " " for at, c in enumerate(text))
    words = _BESIDE_HAN.sub("", " ".join(plain.split()))
    if not words:
        raise NotPlain("nothing asked")
    return words
