import pytest

from netem.link.conditions import Bursts, Conditions, PacketBursts, Police, Profile
from netem.link.event import Event
from netem.link.reading import plain_profile, read_conditions, read_event, read_profile, read_trace

BASE = Profile(Conditions(delay_ms=10), Conditions(delay_ms=20), "base")


def test_settings_go_over_the_base() -> None:
    assert read_conditions({"loss": 0.1}, Conditions(delay_ms=5)) == Conditions(delay_ms=5, loss=0.1)
    assert read_conditions({}) == Conditions()


def test_tables_become_values() -> None:
    wanted = Conditions(
        bursts=(Bursts(0.1, 100, group="g"),), packet_bursts=PacketBursts(0.1, 0.2), udp_police=Police(3, later_mbit=1)
    )
    data = {
        "bursts": [{"share": 0.1, "mean_ms": 100, "group": "g"}],
        "packet_bursts": {"enter": 0.1, "leave": 0.2},
        "udp_police": {"rate_mbit": 3, "later_mbit": 1},
    }
    assert read_conditions(data) == wanted
    assert read_profile(plain_profile(Profile(wanted, BASE.down, "n")), BASE) == Profile(wanted, BASE.down, "n")


def test_both_comes_before_up_and_down() -> None:
    read = read_profile({"both": {"loss": 0.1, "delay_ms": 1}, "down": {"delay_ms": 2}}, BASE)
    assert (read.up.delay_ms, read.down.delay_ms, read.up.loss, read.down.loss) == (1, 2, 0.1, 0.1)
    assert read.note == "base"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: read_conditions({"los": 0.1}), "'los'"),
        (lambda: read_conditions({"bursts": [{"part": 1}]}), "part"),
        (lambda: read_conditions({"delay_ms": "x"}), "not supported"),
        (lambda: read_profile({"sideways": {}}, BASE), "sideways"),
        (lambda: read_event({"kind": "flap", "size": 3}), "size"),
        (lambda: read_event({"at": 3}), "kind"),
        (lambda: read_trace([{"delay_ms": 3}], BASE), "line 1"),
        (lambda: read_trace([{"t": 1}, {"t": 1}], BASE), "line 2"),
    ],
)
def test_what_is_wrong_is_named(read, said) -> None:
    with pytest.raises(ValueError, match=said):
        read()


def test_events_and_traces() -> None:
    assert read_event({"kind": "flap", "at": 3}) == Event("flap", at=3)
    steps = read_trace([{"t": 0, "delay_ms": 95}, {"t": 1.5, "down": {"loss": 0.3}}], BASE)
    assert [at for at, _ in steps] == [0.0, 1.5]
    assert (steps[0][1].up.delay_ms, steps[0][1].down.delay_ms) == (95, 95)
    assert (steps[1][1].up, steps[1][1].down.loss, steps[1][1].down.delay_ms) == (BASE.up, 0.3, 20)
