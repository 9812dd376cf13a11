from __future__ import annotations

import hashlib

from edge.config.model import ClientKey
from edge.policy.access import ANYONE, KeyRing
from edge.policy.permits import Permits


def key(name: str, secret: str, **more: object) -> ClientKey:
    return ClientKey(name, hashlib.sha256(secret.encode()).hexdigest(), **more)  # type: ignore[arg-type]  # test values


def test_without_keys_everyone_may_everything() -> None:
    ring = KeyRing(())
    assert ring.identify(None) is ANYONE
    assert ring.identify("whatever") is ANYONE
    assert ring.is_open
    assert ANYONE.may_use("openai", "gpt-4.1")
    assert ANYONE.may_choose_line


def test_with_keys_only_their_holders() -> None:
    ring = KeyRing([key("app", "fl-1")])
    assert ring.identify(None) is None
    assert ring.identify("fl-2") is None
    assert not ring.is_open
    principal = ring.identify("fl-1")
    assert principal is not None
    assert principal.id == "app"
    assert principal.may_use("openai", None)
    assert not principal.may_choose_line


def test_a_key_can_be_bound_to_providers_and_models() -> None:
    ring = KeyRing([key("app", "fl-1", providers=("openai",), models=("gpt-4.1",), may_choose_line=True)])
    principal = ring.identify("fl-1")
    assert principal is not None
    assert principal.may_use("openai", "gpt-4.1")
    assert principal.may_use("openai", None)
    assert not principal.may_use("openai", "o3")
    assert not principal.may_use("anthropic", "gpt-4.1")
    assert principal.may_choose_line


def test_permits_bound_the_node_and_each_key() -> None:
    ring = KeyRing([key("app", "fl-1", max_in_flight=1), key("job", "fl-2")])
    app, job = ring.identify("fl-1"), ring.identify("fl-2")
    assert app is not None
    assert job is not None
    permits = Permits()
    assert permits.take(app, 3)
    assert not permits.take(app, 3)
    assert permits.take(job, 3)
    assert permits.take(job, 3)
    assert not permits.take(job, 3)
    permits.release(app)
    assert permits.take(app, 3)
    for principal in (app, job, job):
        permits.release(principal)
    assert permits.in_flight == 0


def test_a_key_can_be_bound_to_the_local_pool() -> None:
    ring = KeyRing([key("clinic", "fl-1", data_class="sensitive"), key("app", "fl-2")])
    assert [principal.is_sensitive for name in ("fl-1", "fl-2") if (principal := ring.identify(name))] == [True, False]
    assert not ANYONE.is_sensitive
