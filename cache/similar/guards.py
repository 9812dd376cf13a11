"""What must be the same in two questions before one may have the other's answer.

Embeddings place "cancel my order" beside "don't cancel my order", and 3 days beside 30: no threshold parts them. These
guards read both texts by the lists in vocabulary.py and say in which respect they differ. They can't show that two
questions mean the same; they can only refuse, and they refuse what they don't know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from cache.similar import numerals, vocabulary

_HAN = "\u3400-\u9fff\uf900-\ufaff"
_WHETHER = "⁇"  # stands for 能不能's 不能, and the like

_A_NOT_A = re.compile(f"([{_HAN}])[不没]\\1")
_OR_NOT = re.compile(r"了没有?(?=\W*$)")
_FIRST_ASKING = re.compile(
    r"\W*(?:can|could|do|does|did|is|are|am|was|were|will|would|should|shall|have|has|had|may|must|whether|if i|if we)"
    r"(?:n't)?\b"
)
_FREELY = {"how", "where", "whattodo"}  # beside these, "can" adds nothing: where can I, where do I


class Features(Struct, frozen=True, array_like=True):
    """What a text says in each respect, in its own order."""

    language: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()  # each with its unit
    times: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()  # whatever holds letters and digits, long numbers, addresses
    negation: tuple[str, ...] = ()
    question: tuple[str, ...] = ()  # sorted
    modality: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # whatever no list knows: names, products, everything else


GUARDS: tuple[str, ...] = Features.__struct_fields__
"""By name, in the order in which a difference is looked for."""


def features(text: str) -> Features:
    """Of a text as `normal.trimmed` leaves it: a question mark at its end may be all that makes it a question."""
    usual = _OR_NOT.sub("了" + _WHETHER, _A_NOT_A.sub(_WHETHER + r"\1", " ".join(text.split())))
    said: dict[str, list[str]] = {}
    for kind, name in _tokens(usual):
        said.setdefault(kind, []).append(name)
    asked = _asked(usual, said.get("question", []))
    ability = () if _FREELY.isdisjoint(asked) else ("ability",)
    condition = ("condition",) if re.match(r"\W*if (?:i|we)\b", usual) else ()
    modality = [name for name in said.get("modality", ()) if name not in ability + condition]
    every = {kind: tuple(names) for kind, names in said.items()}
    every |= {"question": asked, "modality": tuple(dict.fromkeys(modality))}
    return Features(_language(usual), *(every.get(guard, ()) for guard in GUARDS[1:]))


def disagreement(one: Features, other: Features) -> str | None:
    """The first respect in which they differ, with both sides: `numbers: 3 day / 5 day`. None if there is none."""
    for guard in GUARDS:
        left, right = getattr(one, guard), getattr(other, guard)
        if left != right:
            return f"{guard}: {' '.join(left) or '–'} / {' '.join(right) or '–'}"
    return None


def _language(text: str) -> tuple[str, ...]:
    if re.search(f"[{_HAN}]", text):
        return ("zh",)
    is_latin = not any(character.isalpha() and not character.isascii() for character in text)
    return ("en",) if is_latin else ("other",)


def _asked(text: str, named: list[str]) -> tuple[str, ...]:
    """A question is one by its words, by what stands first, or only by its mark."""
    asked = set(named)
    if _FIRST_ASKING.match(text) or (not asked and text.rstrip().endswith("?")):
        asked.add("whether")
    return tuple(sorted(asked))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """(guard, name) of each word, number and id that has a say."""
    for found in _SCANNER.finditer(text):
        group = found.lastgroup
        if group == "listed":
            kind, name = _LISTED[found[0]]
            if kind:
                yield kind, name
            if kind == "verbs" and (found[0].endswith("ed") or found[0] in vocabulary.PAST):
                yield "modality", "past"  # my order cancelled is no wish to cancel it
        elif group == "word":
            yield "words", _singular(found[0])
        elif group == "amount":
            yield _amount(found)
        elif group == "counted":
            yield _worded_amount(found)
        elif group is not None:
            yield _PLAIN_GROUPS[group], found[0]


_PLAIN_GROUPS = {"id": "ids", "code": "ids", "date": "numbers", "clock": "times", "other": "words"}


def _singular(word: str) -> str:
    word = word.removesuffix("'s")
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _amount(found: re.Match[str]) -> tuple[str, str]:
    """Digits: a number with its unit, or an id if nobody would count that far."""
    digits = found["digits"].replace(",", "")
    if not found["myriad"] and (len(digits) > 6 or (digits.startswith("0") and len(digits) > 1 and "." not in digits)):
        return "ids", digits
    value = float(digits) * (numerals.of_chinese(found["myriad"]) if found["myriad"] else 1)
    return "numbers", _with_unit(f"{value:.10g}", found["prefix"] or found["unit"])


def _worded_amount(found: re.Match[str]) -> tuple[str, str]:
    if found["ordinal"]:
        return "numbers", f"#{numerals.of_ordinal(found['ordinal'])}"
    value = numerals.of_chinese(found["numeral"]) if found["numeral"] else numerals.of_english(found["english"])
    unit = found["measure"] or found["measured"]
    return "numbers", ("#" if found["nth"] else "") + _with_unit(str(value), unit)


def _with_unit(value: str, unit: str | None) -> str:
    return value if not unit else f"{value} {_UNITS[unit]}"


def _forms(listing: str) -> Iterator[tuple[str, str]]:
    """(form, name) of each line `name: form|form`."""
    for line in listing.strip().splitlines():
        name, _, forms = line.partition(": ")
        yield from ((form.strip(), name) for form in forms.split("|"))


def _stops(listing: str) -> Iterator[str]:
    return filter(None, listing.replace("\n", "|").split("|"))


_GUARD_OF = {
    "times": vocabulary.TIMES,
    "negation": vocabulary.NEGATIONS,
    "question": vocabulary.QUESTIONS,
    "modality": vocabulary.MODALITIES,
    "verbs": vocabulary.VERBS,
    "persons": vocabulary.PERSONS,
    "things": vocabulary.THINGS,
    "relations": vocabulary.RELATIONS,
}
_LISTED: dict[str, tuple[str, str]] = {
    **{form: (guard, name) for guard, listing in _GUARD_OF.items() for form, name in _forms(listing)},
    **{form: ("", "") for listing in (vocabulary.STOP_WORDS, vocabulary.STOP_CHINESE) for form in _stops(listing)},
}
_UNITS = dict(_forms(vocabulary.UNITS))


def _any_of(forms: Iterable[str]) -> str:
    """A pattern for the longest that fits; one in Latin letters ends where the word ends."""
    longest_first = sorted(forms, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(form) + _after(form) for form in longest_first) + ")"


def _after(form: str) -> str:
    return "(?![a-z0-9])" if form[-1].isascii() and form[-1].isalpha() else ""


_CHINESE_UNITS = [unit for unit in _UNITS if not unit.isascii()]
_LATIN_UNITS = [unit for unit in _UNITS if unit.isascii() and unit.isalpha()]
_SCANNER = re.compile(
    rf"""
    (?P<id>https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<clock>\d{{1,2}}(?::\d\d)?\s?(?:am|pm|a\.m|p\.m)\b|\d{{1,2}}:\d\d)
  | (?P<date>\d+(?:[-/:]\d+)+|\d+(?:\.\d+){{2,}})(?![a-z0-9])
  | (?P<amount>(?:(?P<prefix>[¥$€£])\s?)?(?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)
      \s?(?P<myriad>[十百千万亿]+)?(?:\s?(?P<unit>{_any_of(_UNITS)})|(?![a-zA-Z0-9])))
  | (?P<code>\#?[a-zA-Z]*\d[a-zA-Z0-9]*(?:[-_][a-zA-Z0-9]+)*|[a-zA-Z]+(?:[-_][a-zA-Z0-9]*\d[a-zA-Z0-9]*)+)
  | '(?:s|d|ll|ve|re|m)\b
  | (?P<listed>(?<![a-z]){_any_of(form for form in _LISTED if form[0].isascii())}
      |{_any_of(form for form in _LISTED if not form[0].isascii())})
  | (?P<counted>(?P<nth>第)?(?P<numeral>[{numerals.CHINESE}]+)(?P<measure>{_any_of(_CHINESE_UNITS)})?
      |(?P<english>{numerals.ENGLISH})(?:[ -](?P<measured>{_any_of(_LATIN_UNITS)}))?|(?P<ordinal>{numerals.ORDINAL}))
  | (?P<word>(?:(?![{_HAN}])[^\W\d_])+(?:'[a-z]+)?)
  | (?P<other>[{_HAN}]|[%$€£¥\#°+]|[^\w\s\x00-\xbf\u2000-\u206f\u3000-\u303f\uff00-\uffef])
    """,
    re.VERBOSE,
)
