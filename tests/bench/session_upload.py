"""Uploads over sessions in virtual time: `python -m tests.bench.session_upload [--mbit 100] [--mib 1] [--seed N]`.

Two cores over netem's link model, 150 ms there and back. Uploads go up one after the other; beside them 20 streams of
50 tokens/s come down and 20 go up. `first` and `next` are the seconds from an upload's first byte to the last byte of a
short answer, of a session that has never sent much and of one that has; `up 99` and `down 99` are the tokens' delays
during uploads, in ms, one way (75 at best); `copies` is how often a byte of the uploads was sent.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from statistics import fmean

from netem.bench.stats import quantile
from netem.link.link import Link
from netem.profiles import line
from tests.support.session_pair import Pair, config, over
from transport.session.core import SessionCore
from transport.session.values import Credit, Data, Priority, Role

STREAMS, TOKENS_PER_SECOND, TOKEN_BYTES = 20, 50, 30
ROUND_TRIP_MS = 150
UPLOADS, PAUSE = 4, 2.0
WRITE = 65_536
PATIENCE = 120.0


@dataclass
class Figures:
    """Seconds."""

    times: list[float] = field(default_factory=list)
    delays: dict[Role, list[float]] = field(default_factory=lambda: {Role.EDGE: [], Role.RELAY: []})
    copies: float = 0.0


class Uploads:
    """A pair of cores, its streams, and one upload after the other. Tokens carry the time they were written."""

    def __init__(self, lines: int, loss: float, mbit: float, size: int, seed: int, **settings: object) -> None:
        self.figures = Figures()
        self.pair = pair = Pair(config(**settings))
        self._size = size
        self._left = self._upload = 0
        self._began = 0.0
        self._sent: dict[tuple[Role, int], list[float]] = {}
        self._got: dict[tuple[Role, int], int] = {}
        profile = line(ROUND_TRIP_MS, 1, loss, loss)
        profile = replace(profile, up=replace(profile.up, rate_mbit=mbit), down=replace(profile.down, rate_mbit=mbit))
        for number in range(1, lines + 1):
            pair.join(number, over(Link(profile, seed, f"line{number}")))
        pair.on_event = self._told
        for index in range(STREAMS):
            pair.later(1.0 + index * 0.0271, self._ask)
        pair.later(3.0, self._begin)

    def run(self) -> Figures:
        pair = self.pair
        while len(self.figures.times) < UPLOADS and pair.now < PATIENCE:
            pair.run(pair.now + 0.5)
        tally = pair.edge.tally
        sent = tally.first_bytes + tally.bundled_bytes + tally.resent_bytes + tally.repeated_bytes + tally.copied_bytes
        self.figures.copies = sent / tally.first_bytes
        return self.figures

    # ------------------------------------------------------------------------------------------------------ streams

    def _ask(self) -> None:
        stream = self.pair.edge.open(Priority.INTERACTIVE, self.pair.now)
        for core in (self.pair.edge, self.pair.relay):
            self._sent[core.role, stream], self._got[core.role, stream] = [], 0
        self._talk(self.pair.edge, stream)
        self.pair.later(self.pair.now + 0.2, lambda: self._talk(self.pair.relay, stream))

    def _talk(self, core: SessionCore, stream: int) -> None:
        now = self.pair.now
        self._sent[core.role, stream].append(now)
        core.write(stream, bytes(TOKEN_BYTES), now)
        self.pair.flush(core)
        self.pair.later(now + 1 / TOKENS_PER_SECOND, lambda: self._talk(core, stream))

    def _told(self, core: SessionCore, event: object, now: float) -> None:
        if isinstance(event, Credit) and event.stream == self._upload:
            self._write()
        if not isinstance(event, Data):
            return
        core.consumed(event.stream, len(event.data), now)
        if event.stream == self._upload:
            self._on_upload(core, event, now)
            return
        writer = Role.EDGE if core.role is Role.RELAY else Role.RELAY
        before = self._got[writer, event.stream]
        self._got[writer, event.stream] = after = before + len(event.data)
        if self._upload:
            written = self._sent[writer, event.stream]
            tokens = range(before // TOKEN_BYTES, after // TOKEN_BYTES)
            self.figures.delays[writer] += [now - written[token] for token in tokens]

    # ------------------------------------------------------------------------------------------------------ uploads

    def _begin(self) -> None:
        self._began, self._left = self.pair.now, self._size
        self._upload = self.pair.edge.open(Priority.INTERACTIVE, self.pair.now)
        self._write()
        self.pair.flush(self.pair.edge)

    def _write(self) -> None:
        edge = self.pair.edge
        while self._left and edge.writable(self._upload):
            size = min(WRITE, self._left)
            self._left -= size
            edge.write(self._upload, bytes(size), self.pair.now, end=not self._left)

    def _on_upload(self, core: SessionCore, event: Data, now: float) -> None:
        if not event.end:
            return
        if core.role is Role.RELAY:
            core.write(self._upload, b"ok", now, end=True)
            return
        self.figures.times.append(now - self._began)
        self._upload = 0
        self.pair.later(now + PAUSE, self._begin)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mbit", type=float, default=100.0, help="of each line")
    parser.add_argument("--mib", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2, help="runs of each cell, averaged")
    parser.add_argument("--lines", type=int, nargs="*", default=(1, 2))
    parser.add_argument("--loss", type=float, nargs="*", default=(0.0, 0.01, 0.05))
    order = parser.parse_args()
    print(f"{'lines':>5} {'loss':>5} {'first':>6} {'next':>6} {'up 99':>6} {'down 99':>7} {'copies':>6}")
    for lines in order.lines:
        for loss in order.loss:
            size = int(order.mib * (1 << 20))
            seeds = range(order.seed, order.seed + order.seeds)
            runs = [Uploads(lines, loss, order.mbit, size, seed).run() for seed in seeds]
            first = fmean(run.times[0] for run in runs)
            later = fmean(fmean(run.times[1:]) for run in runs)
            up, down = (
                quantile([delay for run in runs for delay in run.delays[role]], 0.99) * 1000
                for role in (Role.EDGE, Role.RELAY)
            )
            copies = fmean(run.copies for run in runs)
            print(f"{lines:5} {loss:5.0%} {first:6.2f} {later:6.2f} {up:6.0f} {down:7.0f} {copies:6.2f}", flush=True)


if __name__ == "__main__":
    main()
