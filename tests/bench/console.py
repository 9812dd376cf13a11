"""What an open console costs the node: CPU with nobody watching, and with the Lines page open, live.

    python -m tests.bench.console [--seconds 30]

A real node with three lines and eight requests a second, a real Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.stage import Stage, stage


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(running: Stage, seconds: float) -> float:
    """Of one core, over so many seconds."""
    pid = running.edge.child.pid
    began, clock = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)  # the time that is measured
    return (cpu_seconds(pid) - began) / (time.monotonic() - clock)


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.console", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    path = os.environ.get("FARLINE_CHROMIUM") or shutil.which("chromium")
    with stage() as running, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        running.requests_per_second = 0.01
        time.sleep(10)  # starting up and the first probes cost more, and are not what is asked
        closed = share(running, args.seconds)
        print(f"no console: {closed:.2%} of a core")
        for name in ("lines", "paths", "requests", "events", "node"):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{running.edge.admin_url}/#{name}")
            page.wait_for_selector("#verdict p")
            time.sleep(5)  # its first load is over
            opened = share(running, args.seconds)
            print(f"{name} open: {opened:.2%}, the console's part {opened - closed:.2%}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
