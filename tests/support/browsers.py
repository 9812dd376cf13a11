"""A real Chromium for tests of the console, and what axe-core finds wrong in a page."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = next((ROOT / ".cache" / "axe").glob("axe-*.min.js"), None)
SHOTS = ROOT / ".cache" / "screenshots"
FEW_SECONDS = 20_000  # milliseconds, as the browser's driver counts


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    path = os.environ.get("FARLINE_CHROMIUM") or shutil.which("chromium")
    assert path and AXE, "no Chromium or axe-core: run tests/support/install-browser.sh"
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def serious(page: Page) -> list[str]:
    """What axe finds wrong for people who see, hear or move differently."""
    assert AXE is not None
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())  # not by a script element: the page's policy forbids that
    found: Any = page.evaluate(
        "axe.run({resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
    )
    return [
        f"{each['impact']} {each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
