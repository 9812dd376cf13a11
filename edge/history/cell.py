"""What one subject – a line, relay, path, far end, key or the node – did in one stretch of time."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct, field

from edge.history.sketch import Sketch, join


class State(IntEnum):
    """What a line, relay or far end was, in ascending order of badness: of a stretch of time the worst counts."""

    UNKNOWN = 0
    ADMITTED = 1
    OFF = 2
    DRAINING = 3
    PROBATION = 4
    SUSPECTED = 5
    EJECTED = 6


class Cell(Struct, array_like=True):
    """Counts and sums, so that two can be added up. Sketches are of seconds. Bytes are of bodies; what sessions with
    relays carried counts for lines and relays by its packets.

    `requests` and `failures`: of lines, paths and far ends their attempts, of keys and the node the clients' requests.
    `cost`: bytes × the line's price per GB. `score`: the sum of the line's scores each time one was taken, `scores`
    how often. `looks`: how often the state was looked at, once a second, `out` how often it was EJECTED.
    `spent`, `saved`: what tokens cost and what the cache spared, by [[price]], of keys and the node; `unpriced`:
    requests whose tokens have no price.
    Only of relays: `streamed` bytes of streams, copies and repetitions included, of which `useful` were there to send;
    suspicions of single lines; `late`: how much later than the quickest ones replies' parts came.
    """

    sent: int = 0  # probes that say something; of relays: their sessions' datagrams
    lost: int = 0
    rtt: Sketch = field(default_factory=dict)
    requests: int = 0
    failures: int = 0
    first_byte: Sketch = field(default_factory=dict)
    up: int = 0
    down: int = 0
    cost: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    state: int = 0
    score: float = 0.0
    scores: int = 0
    looks: int = 0
    out: int = 0
    spent: float = 0.0
    saved: float = 0.0
    unpriced: int = 0
    useful: int = 0
    streamed: int = 0
    suspicions: int = 0
    false_suspicions: int = 0
    late: Sketch = field(default_factory=dict)

    def join(self, other: Cell) -> None:
        """What `other` did as well."""
        self.sent += other.sent
        self.lost += other.lost
        join(self.rtt, other.rtt)
        self.requests += other.requests
        self.failures += other.failures
        join(self.first_byte, other.first_byte)
        self.up += other.up
        self.down += other.down
        self.cost += other.cost
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.state = max(self.state, other.state)
        self.score += other.score
        self.scores += other.scores
        self.looks += other.looks
        self.out += other.out
        self.spent += other.spent
        self.saved += other.saved
        self.unpriced += other.unpriced
        self.useful += other.useful
        self.streamed += other.streamed
        self.suspicions += other.suspicions
        self.false_suspicions += other.false_suspicions
        join(self.late, other.late)

    def see(self, state: State) -> None:
        """What it was when it was looked at."""
        self.state = max(self.state, state)
        self.looks += 1
        self.out += state is State.EJECTED


def joined(cells: list[Cell]) -> Cell:
    """All of them as one."""
    total = Cell()
    for cell in cells:
        total.join(cell)
    return total
