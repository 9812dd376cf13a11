"""What a report says: sections from what the node told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from edge.cli.lines_show import number, percent
from edge.cli.report_plot import label, plot
from edge.cli.report_text import Plot, Report, Section
from edge.cli.report_worth import (
    CREDITS,
    LEAST_AVAILABILITY_GAIN,
    LEAST_CAPACITY_GAIN,
    LEAST_LATENCY_GAIN,
    WEIGHTS,
    Credit,
    Return,
    Scored,
    Served,
    Standing,
    owed,
    returned,
    scored,
    vendor,
)

Document = Mapping[str, Any]

_WORDS = {"1d": "the last day", "7d": "the last week", "30d": "the last 30 days"}


@dataclass(frozen=True, slots=True)
class Worth:
    """What lines cost a month beside what the node knows, what a second less to wait is worth compared with the line
    `baseline`, and what vendors owe for a bad month."""

    baseline: str | None = None
    monthly_costs: Mapping[str, float] = field(default_factory=dict)
    second_value: float | None = None
    credits: Sequence[Credit] = CREDITS
    currency: str = ""

    def price(self, line: Document) -> float | None:
        """A month of a line; None: unknown."""
        return self.monthly_costs.get(line["id"], line["cost_per_month"])

    def money(self, amount: float | None) -> str:
        return "–" if amount is None else f"{amount:,.2f} {self.currency}".rstrip()


def build(told: Document, worth: Worth) -> Report:
    """`told`: what `report` asked the node."""
    node, span = told["nodes"]["nodes"][0], str(told["span"])
    words = _WORDS.get(span, span)
    sections = [
        _availability(told),
        _sla(told, worth),
        _latency(told),
        _scorecard(told, worth),
        _traffic(told),
        _keys(told),
    ]
    if told["relays"]["sums"]:
        sections.insert(5, _relays(told))
    if any(worth.price(line) for line in told["lines"]["lines"]):
        sections.append(_roi(told, worth))
    return Report(f"{node['name']}: {words}", _summary(told, words), sections)


def _seconds(told: Document) -> int:
    begins, ends = int(told["sums"]["begins"]), int(told["sums"]["ends"])
    return max(1, ends - begins)


def _summary(told: Document, words: str) -> str:
    total = told["node"]["sums"].get("node", {})
    requests, failures = total.get("requests", 0), total.get("failures", 0)
    words = words[:1].upper() + words[1:]
    if not requests:
        return f"{words}: no requests."
    return (
        f"{words}: {requests} requests, {percent(1 - failures / requests)} went well; "
        f"first byte {number(total['first_byte_p50_ms'])} ms (median), {number(total['first_byte_p95_ms'])} ms (p95)."
    )


def _availability(told: Document) -> Section:
    ejections: dict[str, int] = {}
    for event in told["events"]["events"]:
        if event["kind"] == "line" and event["before"] == "admitted" and event["after"] == "ejected":
            ejections[event["subject"]] = ejections.get(event["subject"], 0) + 1
    rows, plots = [], []
    for line, sums in told["sums"]["sums"].items():
        rows.append([line, _available(sums), percent(sums["loss"]), str(ejections.get(line, 0)), str(sums["probes"])])
        svg = plot(line, told["charts"])
        plots += [Plot(line, label(line, told["charts"]), svg)] if svg else []
    note = (
        "Available: share of the seconds in which the line was not ejected. Plots: median round trip; red where lost."
    )
    return Section("Availability of lines", ("line", "available", "loss", "outages", "probes"), rows, plots, note)


def _available(sums: Document) -> str:
    out = sums["unavailable_ratio"]
    return "–" if out is None else f"{1 - out:.3%}"


def _sla(told: Document, worth: Worth) -> Section:
    """By calendar month, as contracts reckon."""
    rows = []
    workers = told["lines"]["workers_expected"]
    for month, sums in told["months"].items():
        debts: list[float] = []
        for line in told["lines"]["lines"]:
            if line["id"] not in sums["sums"]:
                continue
            known, price = sums["sums"][line["id"]], worth.price(line)
            debt = owed(known, sums["ends"] - sums["begins"], workers, price, worth.credits)
            available = "–" if debt.availability is None else f"{debt.availability:.3%}"
            rows.append(
                [
                    *(month, line["id"], line["carrier"] or "–", available, f"{debt.out_seconds / 60:.1f}"),
                    *(percent(debt.observed), worth.money(price), percent(debt.share), worth.money(debt.amount)),
                ]
            )
            debts += [debt.amount] if debt.amount else []
        if debts:
            rows.append([month, "all", "", "", "", "", "", "", worth.money(sum(debts))])
    terms = ", ".join(f"below {each.below:.4g} {percent(each.share)}" for each in _as_percent(worth.credits))
    note = (
        f"Credit of the month's price: {terms}. A month that goes on is reckoned as far as it is; seconds in which the "
        "node did not run (not observed) count neither way."
    )
    columns = ("month", "line", "vendor", "available", "minutes out", "observed", "price", "credit", "amount")
    return Section("SLA of vendors", columns, rows, (), note)


def _as_percent(credits: Sequence[Credit]) -> list[Credit]:
    """Thresholds as percentages, for people."""
    return [Credit(each.below * 100, each.share) for each in credits]


def _latency(told: Document) -> Section:
    """This time and the time before it, which of rolling spans is known by its points only."""
    rows = []
    for line, sums in told["sums"]["sums"].items():
        was, lost = _before(told, line)
        now = sums["rtt_p50_ms"]
        change = percent(now / was - 1) if now and was else "–"
        rows.append(
            [line, number(was), number(now), change, number(sums["rtt_p95_ms"]), percent(lost), percent(sums["loss"])]
        )
    columns = ("line", "RTT before, ms", "RTT, ms", "change", "p95, ms", "loss before", "loss")
    return Section(
        "Latency before and now", columns, rows, note="Before: the time of the same length that came before."
    )


def _before(told: Document, line: str) -> tuple[float | None, float | None]:
    """Median round trip and loss."""
    if "sums" in told["before"]:
        sums = told["before"]["sums"].get(line, {})
        return sums.get("rtt_p50_ms"), sums.get("loss")
    ends = told["charts"]["begins"]
    found = _points(told["before"]["series"].get(line, {}), ends - _seconds(told), ends)
    was = median(found["rtt_p50_ms"]) if found["rtt_p50_ms"] else None
    return was, fmean(found["loss"]) if found["loss"] else None


def _points(series: Document, begins: int, ends: int) -> dict[str, list[float]]:
    places = [place for place, at in enumerate(series.get("at", ())) if begins <= at < ends]
    return {
        name: [value for place in places if (value := series[name][place]) is not None] if series else []
        for name in ("rtt_p50_ms", "loss")
    }


def _scorecard(told: Document, worth: Worth) -> Section:
    """Vendors, the best first, each with its lines."""
    lines = {line["id"]: line for line in told["lines"]["lines"] if line["id"] in told["sums"]["sums"]}
    scores = scored({id: _standing(line, told["sums"]["sums"][id], worth) for id, line in lines.items()})
    by_vendor: dict[str, list[str]] = {}
    for id, line in lines.items():
        by_vendor.setdefault(line["carrier"] or id, []).append(id)
    rated = {name: vendor([scores[id] for id in ids]) for name, ids in by_vendor.items()}
    rows = [
        [name, ", ".join(by_vendor[name]), *_score_cells(score)]
        for name, score in sorted(rated.items(), key=lambda each: -(each[1].total or 0.0))
    ]
    weights = ", ".join(f"{name} {weight}" for name, weight in WEIGHTS.items())
    note = f"0 to 100; weights: {weights}. What is unknown is left out, the other weights stand for it."
    return Section("Vendor scorecard", ("vendor", "lines", *WEIGHTS, "score"), rows, (), note)


def _standing(line: Document, sums: Document, worth: Worth) -> Standing:
    price, capacity, out = worth.price(line), line["capacity_mbps"], sums["unavailable_ratio"]
    each = price / capacity if price and capacity else None
    return Standing(None if out is None else 1 - out, sums["rtt_p50_ms"], sums["rtt_p95_ms"], sums["loss"], each)


def _score_cells(score: Scored) -> Iterator[str]:
    for value in (*score.parts.values(), score.total):
        yield "–" if value is None else f"{value:.1f}"


def _traffic(told: Document) -> Section:
    rows = []
    for line, sums in told["sums"]["sums"].items():
        size = sums["up_bytes"] + sums["down_bytes"]
        rows.append([line, str(sums["requests"]), str(sums["failures"]), f"{size / 1e9:.3f}", f"{sums['cost']:.4g}"])
    return Section("Traffic of lines", ("line", "attempts", "failed", "GB", "cost by GB"), rows)


def _relays(told: Document) -> Section:
    rows, plots = [], []
    for relay, sums in told["relays"]["sums"].items():
        late = f"{number(sums['late_p50_ms'])} / {number(sums['late_p99_ms'])}"
        rows.append(
            [
                relay,
                _available(sums),
                number(sums["rtt_p50_ms"]),
                str(sums["requests"]),
                str(sums["failures"]),
                late,
                f"{sums['redundancy']:.2f}" if sums["redundancy"] else "–",
                f"{sums['suspicions']} ({sums['false_suspicions']})",
                f"{(sums['up_bytes'] + sums['down_bytes']) / 1e9:.3f}",
                f"{sums['cost']:.4g}",
            ]
        )
        svg = plot(relay, told["relay_charts"])
        plots += [Plot(f"relay-{relay}", label(relay, told["relay_charts"]), svg)] if svg else []
    columns = (
        *("relay", "available", "RTT, ms", "requests", "failed", "late p50 / p99, ms"),
        *("redundancy", "suspicions (wrong)", "GB", "cost by GB"),
    )
    note = (
        "Available: share of the seconds with a session. Late: how much later than the quickest ones replies' parts "
        "came. Redundancy: bytes carried per byte there was to carry. GB and cost are those of the sessions' packets, "
        "and in those of the lines too."
    )
    return Section("Relays", columns, rows, plots, note)


def _keys(told: Document) -> Section:
    rows = [
        [
            key,
            str(sums["requests"]),
            str(sums["failures"]),
            str(sums["input_tokens"]),
            str(sums["output_tokens"]),
            f"{sums['cost']:.4g}",
            *(f"{sums[name]:.4g}" for name in ("spent", "saved")),
            str(sums["unpriced"]),
        ]
        for key, sums in sorted(told["keys"]["sums"].items(), key=lambda each: -each[1]["requests"])
    ]
    note = (
        "Token cost by [[price]]; saved: what replies from the cache would have cost; unpriced: requests without price."
    )
    columns = ("key", "requests", "failed", "tokens in", "tokens out", "line cost", "token cost", "saved", "unpriced")
    return Section("By client key", columns, rows, (), note)


def _roi(told: Document, worth: Worth) -> Section:
    """ROI = (benefit − cost) / cost, a month."""
    lines = {line["id"]: line for line in told["lines"]["lines"]}
    base = _served(lines, told, worth.baseline or "")
    rows = []
    for id in lines:
        cost, mine = worth.price(lines[id]), _served(lines, told, id)
        if not cost or id == worth.baseline:
            continue
        if mine is None or base is None:
            rows.append([id, worth.money(cost), "–", "–", "nothing is known of it or of the baseline"])
            continue
        back = returned(mine, base, cost, worth.second_value, _seconds(told))
        rows.append([id, worth.money(cost), worth.money(back.benefit), percent(back.roi), _verdict(back)])
    note = (
        f"Compared with {worth.baseline or 'no baseline'}. Gates: more than {LEAST_LATENCY_GAIN:.0%} less to wait, "
        f"more than {LEAST_AVAILABILITY_GAIN:.0%} more available, or more than {LEAST_CAPACITY_GAIN:.0%} more capacity."
        " Benefit: seconds saved × their worth, a month."
    )
    return Section(
        "Return on lines", ("line", "cost a month", "benefit a month", "ROI", "against the baseline"), rows, (), note
    )


def _served(lines: Mapping[str, Document], told: Document, id: str) -> Served | None:
    sums = told["sums"]["sums"].get(id)
    if sums is None or id not in lines:
        return None
    return Served(sums["first_byte_p50_ms"], sums["unavailable_ratio"], lines[id]["capacity_mbps"], sums["requests"])


def _verdict(back: Return) -> str:
    gains = (("latency", back.latency_gain), ("availability", back.availability_gain), ("capacity", back.capacity_gain))
    told = [f"{name} {percent(gain)}" for name, gain in gains]
    return ", ".join([*told, "a gate passed" if back.passes else "no gate passed"])
