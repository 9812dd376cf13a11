"""All that the screen shows, as values; and the summary of a run."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from netem.demo.board import Board, LineState
from netem.demo.course import FLOWING, WAITING, Side
from netem.demo.sdk import Patience

PASSAGE = """
Every answer begins far away. A question leaves the office, crosses a city, a border and an ocean, and waits for the
first word to make the same journey home. On a good night the road is quiet: one round trip, and the words come in
step, as evenly as they were spoken. On a bad night a packet is dropped near the shore, the ones behind it stand in
line until somebody has asked for it again, and a sentence that was whole when it left arrives in lumps. Sometimes the
road is simply gone. Nobody says so; there is only silence, and a clock that has to guess how long is too long. With a
second road the guess can be a short one. What was not answered may be asked again elsewhere, what has begun must not
be told twice, and a story that broke off in the middle must never be passed off as finished.
"""


@dataclass(slots=True)
class Show:
    """One run. `stage` says what the lines are made of; times are monotonic seconds."""

    board: Board
    stage: str
    streams: int
    patience: Patience
    began_at: float
    ended_at: float | None = None
    direct: Side = field(default_factory=lambda: Side(tuple(PASSAGE.split())))
    farline: Side = field(default_factory=lambda: Side(tuple(PASSAGE.split())))
    standings: dict[str, str] = field(default_factory=dict)
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=200))

    def sides(self) -> dict[str, Side]:
        """By their names."""
        return {"direct": self.direct, "farline": self.farline}

    def tell(self, text: str, now: float) -> None:
        """Something happened."""
        self.events.append((now - self.began_at, text))

    def learn(self, standings: dict[str, str], now: float) -> None:
        """The edge's picture of its lines; what changed is an event."""
        for line, standing in standings.items():
            if self.standings.get(line, standing) != standing:
                self.tell(f"farline: {line} is {standing}", now)
        self.standings = standings

    def changed(self, line: LineState, now: float) -> None:
        """A line is other than before."""
        faults = " + ".join(fault.kind for fault in line.faults)
        self.tell(f"{line.id}: {line.profile}{', ' + faults if faults else ', no fault'}", now)

    def streams_by_line(self) -> Counter[str]:
        """How many of farline's streams are on each line now."""
        live = (course for course in self.farline.courses.values() if course.state in (WAITING, FLOWING))
        return Counter(course.path.partition("/")[0] for course in live if course.path)


def summary(show: Show, now: float) -> dict[str, Any]:
    """What a run comes to, for JSON. Streams still under way are in `requests` and in no outcome."""
    return {
        "seconds": round(now - show.began_at, 1),
        "stage": show.stage,
        "streams_per_side": show.streams,
        "direct_line": show.board.lines[0].id,
        **{name: {**side.account.total.plain(), "stalls": side.stalls(now)} for name, side in show.sides().items()},
        "farline_paths": dict(show.farline.paths),
        "lines": [
            {
                "id": line.id,
                "profile": line.profile,
                "faults": [fault.kind for fault in line.faults],
                "standing": show.standings.get(line.id),
            }
            for line in show.board.lines
        ],
        "events": [{"at": round(at, 1), "text": text} for at, text in show.events],
    }
