"""The tc backend with what this kernel has: tbf for certain; sch_netem's words are checked by the unit tests."""

import time

import pytest

from netem.aio.lab import Lab
from netem.aio.namespaces import LabError, run
from netem.aio.probe import tcp_mbit
from netem.link.conditions import Conditions, Profile
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario, lines

LIMITED = Conditions(rate_mbit=8, queue_bytes=50_000)
SLOW = Scenario((LineSpec("one", Profile(LIMITED, Conditions())),), backend="tc")


def qdisc(lab: Lab, role: str) -> str:
    return run(["tc", "-n", lab.namespace(role), "qdisc", "show", "dev", "one"])


def test_the_kernel_holds_the_rate_and_events_change_it() -> None:
    with Lab(SLOW) as lab:
        assert "tbf" in qdisc(lab, "edge")
        assert "tbf" not in qdisc(lab, "far")
        assert 6.5 < tcp_mbit(lab, "one", "provider", 2.0) < 8.1
        lab.line("one").event("rate", rate_mbit=2, seconds=1)
        time.sleep(0.3)
        assert "rate 2Mbit" in qdisc(lab, "edge")
        time.sleep(1.2)
        assert "rate 8Mbit" in qdisc(lab, "edge")
        assert "tbf" not in qdisc(lab, "far")


def test_what_tc_cannot_do_is_refused_at_once() -> None:
    with pytest.raises(LabError, match="jitter_corr_ms"), Lab(Scenario(lines(one="premium"), backend="tc")):
        pass
    with Lab(SLOW) as lab:
        with pytest.raises(LabError, match="udp_blocked"):
            lab.line("one").event("udp-blocked")
        with pytest.raises(LabError, match="jitter_corr_ms"):
            lab.line("one").profile(profile("cn2"))
        assert "rate 8Mbit" in qdisc(lab, "edge")
