"""Whatever happens in whatever order, a request ends exactly once and nothing is left open."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.attempts.attempt import AttemptPolicy
from edge.attempts.budget import RetryBudget
from edge.attempts.deadlines import Patience
from edge.attempts.events import (
    AttemptFailed,
    BodyArrived,
    BodyDropped,
    Cancel,
    ClientLeft,
    Command,
    Commit,
    Connected,
    Dial,
    DialFailed,
    GiveUp,
    HeadArrived,
    LineDark,
    RequestSent,
    Send,
    Start,
    TimerFired,
    Undial,
    UploadStalled,
)
from edge.attempts.machine import AttemptMachine
from edge.dialects.facts import Repeat
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

PATHS = tuple(Path(line, endpoint) for endpoint in ("one", "two") for line in ("a", "b", "c"))
FAILURES = [Failure(o, v, Code.CONNECTION_TERMINATED) for o in (Origin.LINE, Origin.ENDPOINT) for v in Verdict]

steps = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 7), st.floats(0, 20)), max_size=40)


class World:
    """Stands in for the shell: keeps the books of what the machine has open."""

    def __init__(self) -> None:
        self.dark: dict[str, bool] = {}
        self.dialing: set[Path] = set()
        self.open: dict[int, Path] = {}
        self.ends = 0
        self.sent = 0

    def perform(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Dial(path):
                    assert path not in self.dialing
                    self.dialing.add(path)
                case Undial(path):
                    self.dialing.discard(path)
                case Send(number, path):
                    assert path in self.dialing, "sends only on a path it has dialed"
                    assert number == self.sent + 1
                    self.dialing.discard(path)
                    self.sent += 1
                    self.open[number] = path
                case Cancel(number):
                    del self.open[number]
                case Commit(number):
                    assert number in self.open
                    del self.open[number]
                    self.ends += 1
                case GiveUp():
                    self.ends += 1


def event_for(world: World, kind: int, pick: int) -> object | None:
    dialing, live = sorted(world.dialing, key=str), sorted(world.open)
    path = dialing[pick % len(dialing)] if dialing else None
    number = live[pick % len(live)] if live else None
    if kind == 0 and path is not None:
        return Connected(path, warm=bool(pick & 1))
    if kind == 1 and path is not None:
        world.dialing.discard(path)
        return DialFailed(path, FAILURES[pick % len(FAILURES)])
    if kind == 2 and number is not None:
        return HeadArrived(number, [200, 429, 500, 503, 404, 101, 200, 529][pick])
    if kind == 3 and number is not None:
        return BodyArrived(number)
    if kind == 4 and number is not None:
        del world.open[number]
        return AttemptFailed(number, FAILURES[pick % len(FAILURES)])
    if kind == 5 and number is not None:
        return RequestSent(number)
    if kind == 6:
        return TimerFired()
    if kind == 8:
        line = "abc"[pick % 3]
        world.dark[line] = pick % 2 == 0
        return LineDark(line)
    if kind == 9:
        world.dark.pop("abc"[pick % 3], None)
    if kind == 10 and number is not None:
        return UploadStalled(number, pick % 2 == 0)
    if kind == 7 and pick > 5:
        return [ClientLeft(), BodyDropped()][pick & 1]
    return None


@settings(max_examples=400)
@given(
    steps,
    st.sampled_from(Repeat),
    st.integers(0, 6),
    st.integers(0, 2),
    st.floats(0, 5),
    st.builds(Patience, st.none() | st.floats(0, 9), st.none() | st.floats(0, 9)),
)
def test_ends_once_and_leaves_nothing(
    script: list[tuple[int, int, float]], repeat: Repeat, paths: int, replays: int, floor: float, patience: Patience
) -> None:
    policy = AttemptPolicy(repeat, 4, replays, 0.25, 5.0, 60.0, 30.0, 100.0)
    world, now = World(), 0.0
    machine = AttemptMachine(PATHS[:paths], policy, RetryBudget(0.2, floor, 0.0), world.dark, patience)
    world.perform(machine.handle(Start(), now))
    left = False
    for kind, pick, wait in script:
        now += wait
        event = event_for(world, kind, pick)
        if event is not None:
            left = left or (isinstance(event, ClientLeft) and not machine.is_over)
            world.perform(machine.handle(event, now))  # type: ignore[arg-type]  # one of the event union
        assert world.ends <= 1
        assert machine.is_over == (world.ends == 1 or left)
        assert machine.is_over == (machine.timer() is None)
    for _ in range(40):  # time alone ends every request
        if machine.is_over:
            break
        at = machine.timer()
        assert at is not None
        now = max(now, at)
        world.perform(machine.handle(TimerFired(), now))
    assert machine.is_over
    assert not world.open, "attempts left open"
    assert not world.dialing, "dials left open"
    assert len(machine.attempts) <= policy.max_attempts
    executed = [
        a
        for a in machine.attempts
        if a.status not in (429, 503, 529) and (a.failure is None or a.failure.verdict is not Verdict.SAFE)
    ]
    if repeat is Repeat.EFFECT:
        assert len(executed) <= 1, "a request with effects may have run twice"
    if repeat is Repeat.BILLED:
        assert len(executed) <= 1 + replays, "billed more often than agreed"
