import json
import re
from pathlib import Path

import pytest

from netem.link.conditions import Bursts
from netem.link.event import Event
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario, lines, load_scenario, plain_scenario, read_scenario

TEXT = """
name = "evening"
seed = 7
backend = "tun"
congestion = "bbr"
hosts = ["provider", "relay"]
[[line]]
id = "cn2"
profile = "cn2"
down = { rate_mbit = 50, bursts = [{ share = 0.1, mean_ms = 100 }] }
[[line]]
id = "cmi"
trace = "evening.jsonl"
[[event]]
line = "cn2"
kind = "blackhole"
at = 10.0
seconds = 3
"""


@pytest.fixture
def scenario(tmp_path) -> Scenario:
    (tmp_path / "evening.jsonl").write_text('{"t": 0, "delay_ms": 80}\n\n{"t": 5, "down": {"loss": 0.2}}\n')
    (tmp_path / "evening.toml").write_text(TEXT)
    return load_scenario(tmp_path / "evening.toml")


def test_a_file_says_everything(scenario) -> None:
    cn2, cmi = scenario.lines
    assert (scenario.name, scenario.seed, scenario.backend, scenario.congestion) == ("evening", 7, "tun", "bbr")
    assert cn2.profile.down.rate_mbit == 50
    assert cn2.profile.down.bursts == (Bursts(0.1, 100),)
    assert cn2.profile.up == profile("cn2").up
    assert cn2.events == (Event("blackhole", at=10, seconds=3),)
    assert [at for at, _ in cmi.trace] == [0, 5]
    assert cmi.link(7).advance(1.0) == 5


def test_the_guide_shows_a_scenario_that_can_be_read(tmp_path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "lab.md").read_text()
    (tmp_path / "evening.jsonl").write_text(re.findall(r"# (\{\"t\".*\}\}) per line", guide)[0])
    (tmp_path / "guide.toml").write_text(guide.split("```toml")[1].split("```")[0])
    read = load_scenario(tmp_path / "guide.toml")
    assert [spec.id for spec in read.lines] == ["cn2", "cmi"]
    assert read.lines[1].trace[0][1].down.loss == 0.04


def test_a_scenario_survives_the_way_to_the_emulator(scenario) -> None:
    again = read_scenario(json.loads(json.dumps(plain_scenario(scenario))))
    assert [(spec.id, spec.events, spec.trace) for spec in again.lines] == [
        (spec.id, spec.events, spec.trace) for spec in scenario.lines
    ]
    assert [(spec.profile.up, spec.profile.down) for spec in again.lines] == [
        (spec.profile.up, spec.profile.down) for spec in scenario.lines
    ]
    assert (again.seed, again.hosts, again.backend) == (scenario.seed, scenario.hosts, scenario.backend)


def test_an_endless_event_survives_too() -> None:
    spec = LineSpec("a", profile("cn2"), (Event("blackhole"),))
    again = read_scenario(json.loads(json.dumps(plain_scenario(Scenario((spec,))))))
    assert again.lines[0].events == spec.events


def test_lines_by_name() -> None:
    assert lines(my_line="cn2") == (LineSpec("my-line", profile("cn2")),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "1 to 100 lines"),
        ({"line": [{"id": "a"}, {"id": "a"}]}, "different ids"),
        ({"line": [{"id": "Ä"}]}, "line id"),
        ({"line": [{"id": "lan0"}]}, "line id"),
        ({"line": [{}]}, "line id"),
        ({"line": [{"id": "a", "profile": "x"}]}, "line 'a': no profile"),
        ({"line": [{"id": "a", "down": {"loss": 2}}]}, "line 'a': loss"),
        ({"line": [{"id": "a", "speed": 2}]}, "line 'a': unknown setting 'speed'"),
        ({"line": [{"id": "a"}], "event": [{"line": "b", "kind": "flap"}]}, "line 'b'"),
        ({"line": [{"id": "a"}], "event": [{"kind": "flap"}]}, "line ''"),
        ({"line": [{"id": "a"}], "hosts": []}, "hosts"),
        ({"line": [{"id": "a"}], "hosts": ["p", "p"]}, "different names"),
        ({"line": [{"id": "a"}], "backend": "magic"}, "backend"),
        ({"line": [{"id": "a"}], "congestion": "../x"}, "congestion"),
        ({"line": [{"id": "a"}], "colour": "red"}, "unknown setting 'colour'"),
    ],
)
def test_what_is_wrong_is_named(data, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_scenario(data)
