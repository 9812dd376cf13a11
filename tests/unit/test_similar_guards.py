"""What the guards read, and in which respect two questions differ."""

from __future__ import annotations

from functools import cache

import pytest

from cache.similar import guards, numerals, vocabulary
from cache.similar.guards import GUARDS, Features, disagreement, features
from cache.similar.normal import trimmed
from tests.bench.similar import FILES, intents


def read(text: str) -> dict[str, tuple[str, ...]]:
    found = features(trimmed(text))
    return {guard: value for guard in GUARDS if (value := getattr(found, guard)) and guard != "language"}


@cache
def of(text: str) -> Features:
    return features(trimmed(text))


def differ(one: str, other: str) -> str | None:
    return disagreement(of(one), of(other))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3天", ("3 day",)),
        ("三天", ("3 day",)),
        ("三十五天", ("35 day",)),
        ("3月5日", ("3 monthname", "5 mday")),
        ("3个月", ("3 month",)),
        ("第二次", ("#2 times",)),
        ("1.5万元", ("15000 yuan",)),
        ("一万二千元", ("12000 yuan",)),
        ("两亿", ("200000000",)),
        ("十二个", ("12 piece",)),
        ("1,000 dollars", ("1000 dollar",)),
        ("$20", ("20 dollar",)),
        ("20 %", ("20 percent",)),
        ("twenty one days", ("21 day",)),
        ("two hundred and five", ("205",)),
        ("three million", ("3000000",)),
        ("a hundred", ("100",)),
        ("the second box", ("#2",)),
        ("2026-11-22", ("2026-11-22",)),
        ("1.2.3", ("1.2.3",)),
        ("5kg", ("5 kg",)),
    ],
)
def test_numbers(text: str, said: tuple[str, ...]) -> None:
    assert read(text)["numbers"] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("order AB12", "AB12"),
        ("order 12345678", "12345678"),
        ("order 0123", "0123"),
        ("order #77", "#77"),
        ("write to a.b@example.com", "a.b@example.com"),
        ("open https://example.com/X", "https://example.com/X"),
        ("iPhone15 costs", "iPhone15"),
        ("part a-b2", "a-b2"),
    ],
)
def test_ids(text: str, said: str) -> None:
    assert read(text)["ids"] == (said,)


@pytest.mark.parametrize(
    ("text", "guard", "said"),
    [
        ("能不能退款", "question", ("whether",)),
        ("可以退款吗", "question", ("whether",)),
        ("发货了没有", "question", ("whether",)),
        ("退款?", "question", ("whether",)),
        ("can i have a refund", "question", ("whether",)),
        ("I was wondering if I can have a refund", "question", ("whether",)),
        ("how can I cancel", "question", ("how",)),
        ("where can I pay", "question", ("where",)),
        ("怎么退款", "question", ("how",)),
        ("我要退款", "question", ()),
        ("tomorrow at 8:30 pm", "times", ("tomorrow", "8:30 pm")),
        ("I can't pay", "negation", ("cannot",)),
        ("无法付款", "negation", ("cannot",)),
        ("还没发货", "negation", ("notyet",)),
        ("if it breaks", "modality", ("condition",)),
        ("she can pay", "persons", ("she",)),
        ("买3件❌", "words", ("❌",)),
        ("my friend's boxes", "words", ("friend", "boxe")),
    ],
)
def test_respects(text: str, guard: str, said: tuple[str, ...]) -> None:
    assert read(text).get(guard, ()) == said


def test_where_and_how_make_can_nothing() -> None:
    assert differ("Where can I pay?", "Where do I pay?") is None
    assert differ("Can I pay?", "Do I pay?") == "modality: ability / –"


def test_languages_never_meet() -> None:
    assert differ("iphone", "苹果") == "language: en / zh"
    assert differ("да", "no") is not None
    assert features("да").language == ("other",)


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("3天内可以退货吗", "30天内可以退货吗", "numbers: 3 day / 30 day"),
        ("30 days", "30 hours", "numbers: 30 day / 30 hour"),
        ("$20 coupon", "€20 coupon", "numbers: 20 dollar / 20 euro"),
        ("order A10293", "order A10239", "ids: A10293 / A10239"),
        ("今天能送到吗", "明天能送到吗", "times: today / tomorrow"),
        ("今天能送到吗", "当天能送到吗", "times: today / sameday"),
        ("转人工", "不要转人工", "negation: – / donot"),
        ("Can I pay", "Can't I pay", "negation: – / cannot"),
        ("You shouldn't pay", "You mustn't pay", "negation: notshould / notmust"),
        ("怎么退款", "为什么退款", "question: how / why"),
        ("几点送到", "哪天送到", "question: whattime / whichday"),
        ("能寄到哪里", "能在哪里寄", "question: whereto / where"),
        ("Can I pay", "Should I pay", "modality: ability / advice"),
        ("怎么取消会员", "怎么开通会员", "verbs: cancel / open"),
        ("取消订单", "订单取消了", "modality: – / done"),
        ("cancel my order", "I cancelled my order", "modality: – / past"),
        ("sell my car", "sold my car", "modality: – / past"),
        ("什么时候可以退款", "什么时候退款", "modality: ability / –"),
        ("还要付多少", "要付多少", "words: 还 / –"),
        ("Can I pay with a gift card", "Can I pay for a gift card", "words: with / for"),
        ("Is it sold out", "Is it sold", "words: out / –"),
        ("I refund you", "I refund him", "persons: second / he"),
        ("怎么取消会员", "怎么取消订单", "things: membership / order"),
        ("积分怎么换优惠券", "优惠券怎么换积分", "things: points coupon / coupon points"),
        ("before I pay", "after I pay", "relations: before / after"),
        ("Pro套餐多少钱", "Plus套餐多少钱", "words: pro / plus"),
        ("北京寄上海多少钱", "上海寄北京多少钱", "words: 北 京 上 海 / 上 海 北 京"),
        ("从Basic升级到Pro", "从Pro升级到Basic", "words: basic 到 pro / pro 到 basic"),
    ],
)
def test_differences(one: str, other: str, why: str) -> None:
    assert differ(one, other) == why


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("怎么取消订单?", "如何取消我的订单"),
        ("可以退款吗", "能不能退款"),
        ("30天内可以退货吗", "三十天内能不能退货"),
        ("我的包裹到哪了", "快递在哪里"),
        ("How do I cancel my order?", "What's the way to cancel an order"),
        ("Can I return it within 30 days?", "Is it possible to return it within thirty days?"),
    ],
)
def test_paraphrases(one: str, other: str) -> None:
    assert differ(one, other) is None


@pytest.mark.parametrize("name", FILES)
def test_no_labelled_near_miss_passes(name: str) -> None:
    for intent in intents(name):
        for _, near in intent.near:
            for wording in intent.wordings:
                assert differ(near, wording) is not None, (near, wording)


def test_every_form_stands_in_one_list() -> None:
    seen: dict[str, str] = {}
    for guard, listing in guards._GUARD_OF.items():
        for form, name in guards._forms(listing):
            assert seen.setdefault(form, f"{guard}.{name}") == f"{guard}.{name}", form
    for listing in (vocabulary.STOP_WORDS, vocabulary.STOP_CHINESE):
        assert not [form for form in guards._stops(listing) if form in seen]


def test_numerals() -> None:
    assert numerals.of_chinese("二〇二六") == 2026
    assert numerals.of_chinese("一千零五") == 1005
    assert numerals.of_english("hundred") == 100
    assert numerals.of_english("twelve hundred") == 1200
