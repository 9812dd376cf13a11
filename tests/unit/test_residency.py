from __future__ import annotations

from edge.config.model import ClientKey, Model
from edge.policy.residency import Residency

EU = frozenset({"eu"})
EU_KEY = ClientKey("k", "", regions=("eu",))
RULES = Residency(
    (
        Model("gpt", "openai", "gpt-2025", regions=("eu", "us")),
        Model("small", "openai", regions=("us",)),
        Model("free", "openai"),
        Model("also", "azure", "gpt-2025", regions=("eu", "jp")),
        Model("again", "azure", "gpt-2025", regions=("jp", "us")),
    )
)


def test_no_rule_no_bound() -> None:
    assert RULES.allowed(None, "openai", "free") is None
    assert RULES.allowed(ClientKey("k", ""), "openai", "other") is None
    assert RULES.allowed(None, "elsewhere", None) is None


def test_a_models_rule_holds_under_both_its_names() -> None:
    assert RULES.allowed(None, "openai", "gpt") == {"eu", "us"}
    assert RULES.allowed(None, "openai", "gpt-2025") == {"eu", "us"}
    assert RULES.allowed(None, "azure", "gpt-2025") == {"jp"}


def test_key_and_model_must_both_allow_it() -> None:
    assert RULES.allowed(EU_KEY, "openai", "gpt") == EU
    assert RULES.allowed(EU_KEY, "openai", "small") == frozenset()
    assert RULES.allowed(EU_KEY, "openai", "free") == EU
    assert RULES.allowed(EU_KEY, "elsewhere", None) == EU


def test_a_request_whose_model_cannot_be_told_is_under_all_rules() -> None:
    assert RULES.allowed(None, "openai", None) == {"us"}
    assert RULES.allowed(EU_KEY, "openai", None) == frozenset()
