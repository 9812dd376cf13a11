"""Branch coverage of the pure modules by their own tests: `python -m tests.coverage` (make coverage).

A module is pure if nothing in it waits, talks or guesses; tests/arch says what would be imported for that. Shells are
tested against real peers instead. The fake provider's API shapes are lab equipment: the vendors' SDKs are their test.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.arch.test_imports import IMPURE, ROOT, SHELLS, imported, sources

LAB = ("netem/provider/",)
TESTS = ("tests/unit", "tests/property")


def pure_modules() -> list[str]:
    """Their files, relative to the project's folder."""
    names = []
    for source in sources():
        name = source.relative_to(ROOT).as_posix()
        waits = imported(source) & IMPURE or "async def " in source.read_text()
        is_shell = "/aio/" in name or (name.startswith(SHELLS) and waits)
        if not is_shell and not name.startswith((*LAB, "edge/cli/")) and not name.endswith("__main__.py"):
            names.append(name)
    return names


def main() -> int:
    data = Path(ROOT, ".coverage")
    data.unlink(missing_ok=True)
    packages = [f"--cov={name}" for name in ("edge", "health", "cache", "transport", "netem")]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *TESTS, *packages, "--cov-branch", "--cov-report="]
    tested = subprocess.run(command, cwd=ROOT).returncode
    report = [sys.executable, "-m", "coverage", "report", "--skip-covered", "--show-missing", "--fail-under=100"]
    covered = subprocess.run([*report, "--include=" + ",".join(pure_modules())], cwd=ROOT).returncode
    return tested or covered


if __name__ == "__main__":
    sys.exit(main())
