"""The demo's lines, keys, script, summary and screen."""

import json
import re

import pytest
from rich.console import Console

from netem.demo.board import CYCLE, Board, LineState
from netem.demo.exposition import standings
from netem.demo.screen import closing, plain_row, screen
from netem.demo.script import Order, Step, parse_script
from netem.demo.sdk import Patience
from netem.demo.show import PASSAGE, Show, summary
from netem.demo.tokens import Token

LINES = (LineState("cn2", "cn2", 80), LineState("cmi", "cmi-evening", 20))
IDS = ("cn2", "cmi")


def test_a_script_is_read_in_the_order_of_its_times() -> None:
    steps = parse_script(" 10:heal cn2, 5:blackhole cn2,12.5:profile cmi internet-bad,15:brown-out cn2 loss=0.3,", IDS)
    assert steps == (
        Step(5, Order("blackhole", "cn2")),
        Step(10, Order("heal", "cn2")),
        Step(12.5, Order("profile", "cmi", "internet-bad")),
        Step(15, Order("brown-out", "cn2", settings=(("loss", 0.3),))),
    )
    assert parse_script("", IDS) == ()


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ("blackhole cn2", "expected SECONDS:WHAT LINE, like 5:blackhole cn2"),
        ("soon:blackhole cn2", "expected SECONDS"),
        ("-1:blackhole cn2", "expected SECONDS"),
        ("5:blackhole", "expected SECONDS"),
        ("5:blackhole cu9", "no line 'cu9'; there are cn2, cmi"),
        ("5:explode cn2", "don't know 'explode'; there are heal, profile, blackhole"),
        ("5:heal cn2 now", "don't know 'heal'"),
        ("5:profile cn2 nice", "no profile 'nice'"),
        ("5:brown-out cn2 loss=much", "'loss=much' should be NAME=NUMBER"),
        ("5:brown-out cn2 seconds=3", "no setting 'seconds'; there are loss, rtt_ms"),
        ("5:brown-out cn2 loss=7", "loss must be between 0 and 1"),
        ("5:flap cn2 period=0", "period must be positive"),
    ],
)
def test_what_is_wrong_with_a_script_is_said(item: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as wrong:
        parse_script(f"1:heal cn2,{item}", IDS)
    assert repr(item) in str(wrong.value)


def test_faults_bend_a_line_and_heal() -> None:
    line = LINES[0].obey(Order("rtt-step", "cn2", settings=(("rtt_ms", 100.0),)))
    assert line.in_force().rtt_ms == 270
    line = line.obey(Order("brown-out", "cn2"))
    assert line.in_force().down.mean_loss > 0.2
    line = line.obey(Order("rtt-step", "cn2", settings=(("rtt_ms", 10.0),)))
    assert (len(line.faults), line.in_force().rtt_ms) == (2, 180)
    line = line.obey(Order("profile", "cn2", "clean"))
    assert line.in_force().rtt_ms == 160
    assert line.obey(Order("heal", "cn2")).in_force().rtt_ms == 150


def test_keys_break_and_heal_and_choose() -> None:
    board = Board(LINES)
    cut = board.press("2")
    assert cut is not None
    assert (cut.id, cut.has("blackhole"), board.chosen) == ("cmi", True, 1)
    slower = board.press("r")
    assert slower is not None
    assert [fault.kind for fault in slower.faults] == ["blackhole", "rtt-step"]
    healed = board.press("2")
    assert healed is not None
    assert [fault.kind for fault in healed.faults] == ["rtt-step"]
    assert board.press("\t") is None
    assert board.chosen == 0
    worse = board.press("b")
    assert worse is not None
    assert (worse.id, worse.has("brown-out")) == ("cn2", True)
    assert board.obey(Order("heal", "cn2")).faults == ()


def test_keys_that_change_no_line() -> None:
    board = Board(LINES)
    assert [board.press(key) for key in ("0", "3", "x", " ", "q")] == [None] * 5
    assert board.is_paused
    assert board.wants_to_quit
    board.press(" ")
    assert not board.is_paused


def test_profiles_go_round() -> None:
    board = Board((LineState("one", "perfect"),))
    seen = [changed.profile for _ in range(len(CYCLE) + 1) if (changed := board.press("p")) is not None]
    assert seen == [*CYCLE, CYCLE[0]]


EXPOSITION = """\
# HELP farline_line_standing 1 for the line's current standing.
farline_line_standing{line="cn2",standing="admitted"} 0.0
farline_line_standing{line="cn2",standing="ejected"} 1.0
farline_line_standing{line="cmi",standing="admitted"} 1.0
farline_line_rtt_seconds{line="cmi"} 0.191
"""


def test_the_edges_picture_is_read() -> None:
    assert standings(EXPOSITION) == {"cn2": "ejected", "cmi": "admitted"}


@pytest.fixture
def show() -> Show:
    show = Show(Board(LINES), "namespaces", 4, Patience(), 100.0)
    for side in show.sides().values():
        for slot in range(4):
            course = side.begin(slot, 0, 60, 100.0)
            course.answered("cn2/direct/openai" if slot < 2 else "cmi/direct/openai")
            for number in range(1, 10 + slot):
                course.token(Token(number, 100.5), 100.5 + number / 30)
        side.courses[3].end(True, 102.0)
    return show


def test_changes_of_standing_are_events(show: Show) -> None:
    show.learn({"cn2": "admitted"}, 101.0)
    assert not show.events
    show.learn({"cn2": "ejected"}, 102.0)
    show.changed(LINES[0], 103.0)
    show.changed(LINES[0].obey(Order("blackhole", "cn2")), 104.0)
    assert list(show.events) == [
        (2.0, "farline: cn2 is ejected"),
        (3.0, "cn2: cn2, no fault"),
        (4.0, "cn2: cn2, blackhole"),
    ]
    assert show.streams_by_line() == {"cn2": 2, "cmi": 1}


def test_the_summary_is_json(show: Show) -> None:
    show.learn({"cn2": "ejected"}, 101.0)
    show.changed(show.board.obey(Order("blackhole", "cn2")), 101.0)
    found = json.loads(json.dumps(summary(show, 105.0)))
    assert found["seconds"] == 5.0
    assert found["direct"]["requests"] == found["farline"]["requests"] == 4
    assert found["lines"][0] == {"id": "cn2", "profile": "cn2", "faults": ["blackhole"], "standing": "ejected"}
    assert found["events"] == [{"at": 1.0, "text": "cn2: cn2, blackhole"}]


def drawn(show: Show, now: float, width: int, height: int) -> str:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(screen(show, now, height), end="")
    return capture.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 50)])
def test_the_screen_fits(show: Show, width: int, height: int) -> None:
    show.changed(show.board.obey(Order("blackhole", "cn2")), 101.0)
    rows = drawn(show, 103.0, width, height).rstrip("\n").split("\n")
    assert len(rows) == height
    assert all(len(row) <= width for row in rows)
    text = "\n".join(rows)
    for part in ("direct over cn2", "farline over 2 lines", "TTFT p50", "blackhole", "100%", "silent", "q quit"):
        assert part in text
    assert "x-farline-path: cmi/direct/openai" in text
    assert ("cn2: cn2, blackhole" in text) == (height >= 30)
    assert "▌" in drawn(show, 100.9, width, height)  # where the next word will stand


def test_the_screen_of_every_state(show: Show) -> None:
    show.direct.courses[0].end(False, 103.0)
    show.direct.courses[1].retry(103.0)
    show.farline.begin(0, 1, 60, 100.0).retry(102.0)
    show.farline.begin(1, 1, 60, 103.9)
    show.learn({"cn2": "ejected", "cmi": "probation"}, 101.0)
    show.board.press(" ")
    text = drawn(show, 104.0, 100, 30)
    for part in ("cut", "waiting 4.0 s", "waiting ", "try 2", "ejected", "probation", "PAUSED", "go on"):
        assert part in text


def test_the_screen_before_anything_happened() -> None:
    text = drawn(Show(Board(LINES), "relays", 1, Patience(), 0.0), 0.0, 80, 24)
    assert "–" in text


def test_the_figures_of_the_whole_run_stay(show: Show) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(closing(show, 100.9))
    text = capture.get()
    assert len(text.splitlines()) == 5
    assert "the whole run" in text
    assert re.search(r"farline +5\d\d ms +5\d\d ms +3\d ms +0 +0 +0 +0 +", text)


def test_a_row_for_where_there_is_no_terminal(show: Show) -> None:
    row = plain_row(show, 103.0)
    assert row.startswith("   3.0 s | direct: TTFT p50 5")
    assert "done 1" in row
    assert len(PASSAGE.split()) > 100
