"""What people say around a question without asking anything: greetings, thanks, requests to be told.

Patterns for text that is folded already (cache/similar/normal.py); `_` stands for a break (punctuation or white space).
Only at the text's beginning or end, never inside: "你好用英语怎么说" asks about the greeting itself. Greetings and thanks
count as such only with a break between them and the rest.
"""

from __future__ import annotations

import re

_BREAK = r"[\s,.!?;:~…。、—-]"

OPENINGS = (
    "你好_", "您好_", "嗨_", "哈喽_", "早上好_", "上午好_", "下午好_", "晚上好_", "在吗_", "在么_", "有人吗_", "亲_", "亲亲_",
    "客服_", "客服你好_", "你好客服_", "不好意思_", "打扰一下_", "打扰了_", "抱歉_", "那个_", "是这样的_", "麻烦您_", "劳驾_",
    "请问一下", "请问", "想请问一下", "想请问", "我想请问一下", "我想请问", "我想问一下", "我想问下", "我想问", "想问一下", "想问下", "问一下",
    "问下", "咨询一下", "咨询下", "我想咨询一下", "我想咨询", "想咨询一下", "我想知道", "我想了解一下", "我想了解", "想了解一下",
    "麻烦问一下", "麻烦问下", "麻烦告诉我", "请告诉我", "告诉我", "能告诉我", "可以告诉我", "能不能告诉我", "可以帮我看看", "帮我看看",
    "帮我看一下", "帮我查一下", "麻烦帮我", "麻烦你帮我", "麻烦您帮我", "请帮我", "请你帮我", "请您帮我", "帮我", "帮忙", "麻烦你", "麻烦您",
    "hi_", "hello_", "hey_", "hi there_", "hello there_", "hey there_", "good morning_", "good afternoon_",
    "good evening_", "dear support_", "dear team_", "excuse me_", "sorry to bother you_", "sorry_", "okay_", "ok_", "so_", "well_",
    "um_", "quick question_", "i have a question_", "please ", "pls ", "plz ", "kindly ",
    "could you please tell me ", "could you tell me ", "can you please tell me ", "can you tell me ", "would you tell me ",
    "please tell me ", "tell me ", "please let me know ", "let me know ", "i would like to know ", "i'd like to know ",
    "i want to know ", "i wanted to know ", "i need to know ", "i was wondering ", "i am wondering ", "i'm wondering ",
    "wondering ", "i wonder ", "do you know ", "may i ask ", "can i ask ", "could you please help me ",
    "could you help me ", "can you please help me ", "can you help me ", "please help me ", "help me ",
)  # fmt: skip
"""Taken from the beginning, as often as one fits."""

ENDINGS = (
    "_谢谢", "_谢谢你", "_谢谢您", "_多谢", "_感谢", "_谢谢啦", "_谢谢了", "_麻烦了", "_拜托了", "_辛苦了", "_急", "_在线等", "_你好", "_您好", "_亲",
    "_thanks", "_thank you", "_thanks a lot", "_many thanks", "_thank you very much", "_thank you so much", "_thx", "_ty",
    "_cheers", "_thanks in advance", "_thank you in advance", " please", "_please", "_pls", " pls", "_plz", " plz",
)  # fmt: skip
"""Taken from the end."""

PARTICLES = "啊呀哦哈噢喔哟呐"
"""At the end of a Chinese sentence they only colour it. 吗 asks, 吧 supposes, 呢 can ask by itself, 了 reports: they stay."""

CASED = frozenset(("US", "IT", "WHO", "OR", "IN", "ME", "OK", "HI", "AM", "PM", "NO", "AID", "AIDS", "MAY", "CAN"))
"""Written in capitals these are other words than in small letters, and keep their case."""

ABOUT_WORDS = re.compile(
    "翻译|怎么说|怎么写|怎么读|怎么念|什么意思|的意思|发音|拼音|造句|近义词|反义词|润色|改写|续写|作文|诗|"
    r"\b(?:translat\w*|spell\w*|pronounc\w*|mean(?:s|ing)?|synonyms?|antonyms?|rhymes?|rewrite|rephrase|paraphras\w*|"
    r"summari[sz]\w*|proofread\w*|poem|essay|sentence|word|phrase|letter|say)\b"
)
"""A question about words themselves: there, a polite phrase may be what is asked about."""


def _pattern(phrases: tuple[str, ...], start: str, end: str) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(start + "(?:" + "|".join(_spelt(phrase) for phrase in longest_first) + ")" + end)


def _spelt(phrase: str) -> str:
    return re.escape(phrase).replace("_", _BREAK + "+")


OPENING = _pattern(OPENINGS, f"^{_BREAK}*", "|请(?![假客求教柬愿示战帖问])")
ENDING = _pattern(ENDINGS, "", f"{_BREAK}*$")
