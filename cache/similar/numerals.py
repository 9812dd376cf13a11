"""Numbers in words, Chinese and English, as digits."""

from __future__ import annotations

import re

_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_STEPS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10_000, "亿": 100_000_000}
CHINESE = "".join((*_DIGITS, *_STEPS, *_MYRIADS))

_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_SMALL = {word: number for number, word in enumerate(_TO_TWENTY.split())} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "tenth": 10}
_WORDS = "|".join(sorted((*_SMALL, *_LARGE), key=len, reverse=True))
ENGLISH = rf"\b(?:{_WORDS})(?:(?:[\ -]|\ and\ )(?:{_WORDS}))*\b"
ORDINAL = rf"\b(?:{'|'.join(_ORDINALS)})\b"


def of_chinese(text: str) -> int:
    """`三十五` 35, `一万二千` 12000, `二〇二六` 2026. Every character must be of `CHINESE`."""
    if not any(character in _STEPS or character in _MYRIADS for character in text):
        return int("".join(str(_DIGITS[character]) for character in text))
    total = section = digit = 0
    for character in text:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _STEPS:
            section += (digit or 1) * _STEPS[character]
            digit = 0
        else:
            total += (section + digit or 1) * _MYRIADS[character]
            section = digit = 0
    return total + section + digit


def of_english(text: str) -> int:
    """`twenty one` 21, `two hundred and five` 205. Every word must be one that `ENGLISH` finds."""
    total = section = 0
    for word in re.split("[ -]", text.replace(" and ", " ")):
        if word in _SMALL:
            section += _SMALL[word]
        elif word == "hundred":
            section = (section or 1) * 100
        else:
            total += (section or 1) * _LARGE[word]
            section = 0
    return total + section


def of_ordinal(word: str) -> int:
    return _ORDINALS[word]
