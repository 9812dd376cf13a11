"""One stream from its request to its end, and the side it belongs to. `now` is monotonic seconds."""

from collections import Counter, deque
from dataclasses import dataclass, field

from netem.demo.figures import Account
from netem.demo.tokens import Token

STALL = 0.5
"""A silence between two tokens that a listener notices, in seconds."""
WAITING, FLOWING, DONE, CUT, FAILED = "waiting", "flowing", "done", "cut", "failed"


@dataclass(frozen=True, slots=True)
class Scrap:
    """A bit of what the screen tells of a stream: kind is `word`, `stall`, `cut`, `failed` or `begin`."""

    kind: str
    text: str


@dataclass(slots=True)
class Course:
    """One streaming request. `serial` says which part of the text its tokens stand for."""

    side: "Side"
    slot: int
    serial: int
    expected: int
    began_at: float
    state: str = WAITING
    path: str = ""
    tries: int = 1
    received: int = 0
    _last_number: int = 0
    _last_at: float = 0.0

    def answered(self, path: str) -> None:
        """A reply has begun, over this path."""
        self.path = self.side.path = path
        self.side.paths[path] += 1

    def retry(self, now: float) -> None:
        """The SDK begins the request again."""
        self.tries += 1
        self.side.account.count("retries", now)

    def token(self, token: Token, now: float) -> None:
        """One has arrived."""
        account = self.side.account
        if self.state == WAITING:
            self.state = FLOWING
            account.time("ttft", now - self.began_at, now)
        else:
            self._gap(now)
        account.count("tokens", now)
        account.time("transit", max(0.0, now - token.sent_at), now)
        if token.number <= self._last_number:
            account.count("repeated", now)
            return
        account.count("lost", now, token.number - self._last_number - 1)
        self.received += 1
        self._last_number, self._last_at = token.number, now
        self._tell("word", self.side.word(self.serial * self.expected + token.number - 1))

    def end(self, is_complete: bool, now: float) -> None:
        """The stream is over; complete only if it said so itself."""
        account = self.side.account
        if is_complete:
            self.state = DONE
            account.count("lost", now, self.expected - self._last_number)
            account.count("completed", now)
        elif self.state == FLOWING:
            self._gap(now)
            self.state = CUT
            account.count("cut", now)
            self._tell("cut", "✂ cut")
        else:
            self.state = FAILED
            account.count("failed", now)
            self._tell("failed", "✗ failed")

    def silence(self, now: float) -> float:
        """How long nothing has come, if anything should: since the last token, or since the request."""
        if self.state == FLOWING:
            return now - self._last_at
        return now - self.began_at if self.state == WAITING else 0.0

    def _gap(self, now: float) -> None:
        gap = now - self._last_at
        self.side.account.time("gaps", gap, now)
        if gap > STALL:
            self.side.account.count("stalls", now)
            self._tell("stall", f"⟨{gap:.1f} s⟩")

    def _tell(self, kind: str, text: str) -> None:
        if self.slot == 0:
            self.side.scraps.append(Scrap(kind, text))


@dataclass(slots=True)
class Side:
    """Either way to the provider: its figures, its streams under way, and the text of the first of them."""

    words: tuple[str, ...]
    account: Account = field(default_factory=Account)
    courses: dict[int, Course] = field(default_factory=dict)
    path: str = ""
    paths: Counter[str] = field(default_factory=Counter)
    scraps: deque[Scrap] = field(default_factory=lambda: deque(maxlen=300))

    def begin(self, slot: int, serial: int, expected: int, now: float) -> Course:
        """A request begins; it takes the place of the slot's last one on the screen."""
        course = self.courses[slot] = Course(self, slot, serial, expected, now)
        self.account.count("requests", now)
        if slot == 0 and self.scraps:
            self.scraps.append(Scrap("begin", "¶"))
        return course

    def stalls(self, now: float) -> int:
        """All so far, those that are going on included."""
        going_on = (each for each in self.courses.values() if each.state == FLOWING and each.silence(now) > STALL)
        return self.account.total.stalls + sum(1 for _ in going_on)

    def word(self, index: int) -> str:
        """The word that the index-th token of all stands for."""
        return self.words[index % len(self.words)]
