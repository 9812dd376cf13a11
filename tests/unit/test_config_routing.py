"""[routing], its classes, regions, and what `check` warns of."""

from __future__ import annotations

import pytest

from edge.config.model import ClassRouting
from edge.config.summary import warnings
from tests.unit.test_config_faults import KEYED, faults
from tests.unit.test_config_read import accepted

EU = "[[provider]]\nid = 'p'\ndialect = 'openai'\n[[provider.endpoint]]\nurl = 'http://x'\nregion = 'eu'\n"


def test_classes() -> None:
    routing = accepted(
        "[routing]\npolicy = 'weighted'\nsticky = 'off'\n[routing.class.batch]\npolicy = 'classic'"
    ).routing
    assert routing.policy == "weighted"
    assert routing.classes == (ClassRouting("batch", "classic"),)
    assert accepted("").routing.policy == "best"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[routing]\nclass = 3", "2: routing.class: is an integer; expected a table"),
        ("[routing.class]\nbatch = 3", "2: routing.class.batch: is an integer; expected a table"),
        ("[routing.class.batsch]\npolicy = 'best'", "1: routing.class.batsch: is unknown; did you mean batch?"),
        ("[routing.class.batch]\nrelay = 'on'", '2: routing.class.batch.relay: "on" is not one of them'),
        ("[routing.class.batch]\nredundancy = 2", "2: routing.class.batch.redundancy: 2 is not one of them"),
        ("[routing.class.batch]\npolicy = 'quick'", '2: routing.class.batch.policy: "quick" is not one of them'),
        ("[routing]\nsticky = true", "2: routing.sticky: true is not one of them"),
        ("[[line]]\nid = 'a'\ntier = 0", "3: line[0].tier: 0 is too small"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    assert faults(text)[0].startswith(fault)


def test_redundant_is_accepted_with_a_warning() -> None:
    told = "the policy redundant needs a [[relay]] and there is none: requests are routed as by best"
    assert told in warnings(accepted("[routing]\npolicy = 'redundant'"))
    assert told in warnings(accepted("[routing.class.realtime]\npolicy = 'redundant'"))
    assert told not in warnings(accepted(""))


def test_regions_that_leave_a_provider_nothing_are_warned_of() -> None:
    model = "[[model]]\nname = 'm'\nprovider = 'p'\nregions = ['us']\n"
    assert warnings(accepted(EU + model)) == ("no endpoint of p is in a region that model m may use",)
    assert warnings(accepted(EU + KEYED + "regions = ['us', 'jp']")) == (
        "no endpoint of p is in a region that key k may use",
    )
    assert warnings(accepted(EU + KEYED + "regions = ['us']\nproviders = []")) != ()
    assert warnings(accepted(EU + model.replace("us", "eu") + KEYED + "regions = ['eu']")) == ()
