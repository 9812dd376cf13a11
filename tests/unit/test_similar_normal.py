"""One form for spellings that mean the same, and none for what may mean its punctuation."""

from __future__ import annotations

import pytest

from cache.similar.normal import NotPlain, folded, normal

FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
SAME = [
    ("怎么取消订单", "怎么取消订单\uff1f"),
    ("怎么取消订单", "  你好\uff0c请问怎么取消订单\uff1f谢谢\uff01"),
    ("怎么取消订单", "我想问一下\uff0c怎么取消订单啊"),
    ("怎么取消订单", "怎么 取消 订单"),
    ("怎么退款", "怎么退款呢?"),
    ("订单a1b2", "订单a1b2".translate(FULL_WIDTH)),
    ("how do i cancel my order", "How do I cancel my order?"),
    ("how do i cancel my order", "Hi, could you tell me how do I cancel my order, please? Thanks!"),
    ("how do i cancel my order", "HOW DO I CANCEL MY ORDER"),
    ("how do i cancel my order", "how  do\nI cancel my order…"),
    ("i can't log in", "I can\u2019t log in."),
    ("can i pay in the US", "Can I pay in the US?"),
    ("5gb for $20 at 8:30 on 2026-11-22", "5GB for $20 at 8:30 on 2026-11-22!"),
    ("send it to a.b@example.com", "Please send it to A.B@Example.com"),
    ("1,000.50", "1,000.50 "),
    ("it's 20%", "It's 20%."),
]
APART = [
    ("3天", "30天"),
    ("order AB12", "order ab12"),  # an id
    ("can i go to the US", "can i go to the us"),
    ("x2", "x\u00b2"),
    ("你好吗", "吗"),
    ("你呢", "你"),
    ("可以退款吗", "可以退款"),
    ("可以退款吧", "可以退款"),
    ("请假怎么办", "假怎么办"),
    ("退款了", "退款"),
    ("1.5", "15"),
    ("8:30", "830"),
    ("a/b", "ab"),
    ("-5", "5"),
]


@pytest.mark.parametrize(("form", "text"), SAME)
def test_the_same(form: str, text: str) -> None:
    assert normal(text) == form


@pytest.mark.parametrize(("one", "other"), APART)
def test_apart(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a" * 301, "too long"),
        ('what is "x"', "quotes or code"),
        ("“你好”怎么走", "quotes or code"),
        ("`ls` fails", "quotes or code"),
        ("a\n\nb", "quotes or code"),
        ("say 'please'", "quotes or code"),
        ("你好用英语怎么说", "about words"),
        ("Translate thank you, please", "about words"),
        ("?!", "nothing asked"),
        ("", "nothing asked"),
        ("🙂", "nothing asked"),
    ],
)
def test_no_form(text: str, why: str) -> None:
    with pytest.raises(NotPlain) as error:
        normal(text)
    assert error.value.args == (why,)


def test_politeness_alone_stays() -> None:
    assert normal("谢谢") == "谢谢"
    assert normal("Hello!") == "hello"


def test_folding_keeps_addresses_and_composes() -> None:
    assert folded("See https://Example.com/A") == "see https://Example.com/A"
    assert folded("Cafe\u0301 \u200bX") == "caf\u00e9 x"
