"""Shell tests that say `ON_BOTH_LOOPS = True` run on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    module = item.getparent(pytest.Module)
    if module is not None and getattr(module.obj, "ON_BOTH_LOOPS", False):
        factories["uvloop"] = uvloop.new_event_loop
    return factories
