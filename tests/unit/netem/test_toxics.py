from netem.link.conditions import Conditions, Profile
from netem.toxics import ToxicSpec, toxics_of

NONE = Conditions()


def test_delay_jitter_and_rate_of_each_stream() -> None:
    found = toxics_of(Profile(Conditions(delay_ms=75), Conditions(delay_ms=80, jitter_ms=10, rate_mbit=2)))
    assert found == (
        ToxicSpec("latency", "upstream", {"latency": 75, "jitter": 0}),
        ToxicSpec("latency", "downstream", {"latency": 80, "jitter": 17}),
        ToxicSpec("bandwidth", "downstream", {"rate": 250}),
    )
    assert len({toxic.name for toxic in found}) == 3


def test_a_blackhole_holds_and_a_reset_resets() -> None:
    assert toxics_of(Profile(Conditions(loss=1.0), NONE)) == (ToxicSpec("timeout", "upstream", {"timeout": 0}),)
    assert toxics_of(Profile(NONE, Conditions(tcp_reset=True))) == (
        ToxicSpec("reset_peer", "downstream", {"timeout": 0}),
    )


def test_loss_does_not_exist_here() -> None:
    assert toxics_of(Profile(Conditions(loss=0.1), NONE)) == ()
