"""Where time, sockets and chance may come from, and who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "transport", "health", "cache", "netem")
IMPURE = {"asyncio", "socket", "ssl", "time", "random", "secrets", "aiohttp", "redis", "uvloop"}
SHELLS = (
    "edge/app.py",
    "edge/told.py",
    "edge/attempts/runner.py",
    "edge/config/watch.py",
    "edge/cli/",
    "edge/control/",
    "edge/ingress/",
    "edge/observe/",
    "edge/relay/",
    "edge/serve/",
)
SEEDED = {"netem": {"random"}}  # the link model and the provider's pace draw from generators with a given seed
COMMANDS = {"netem/provider/__main__.py", "netem/verify.py"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imported(source: Path) -> set[str]:
    """First parts of what a module imports, wherever in it, but not for types only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def test_decisions_know_no_clock_no_socket_and_no_chance() -> None:
    wrong = {}
    for source in sources():
        name = source.relative_to(ROOT).as_posix()
        if "/aio/" in name or name.startswith(SHELLS) or name in COMMANDS:
            continue
        found = imported(source) & (IMPURE - SEEDED.get(name.partition("/")[0], set()))
        if found:
            wrong[name] = sorted(found)
    assert wrong == {}


def test_seeded_generators_are_the_only_chance_in_netem() -> None:
    """`from random import Random`, made with a seed: never the module's own generator."""
    for source in sorted((ROOT / "netem").rglob("*.py")):
        if "/aio/" in source.as_posix():
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            assert not (isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)), source
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                assert {alias.name for alias in node.names} == {"Random"}, source
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Random":
                assert node.args, source


def test_the_contracts_of_imports_hold() -> None:
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


MACHINE_PATHS = re.compile(rb"(?<![\w.{}$])/(?:home|root|work|Users|mnt|media)/[\w.-]+|[A-Z]:\\\\Users")


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = {}
    for path in tracked():
        hits = MACHINE_PATHS.findall(path.read_bytes()) if path.is_file() else []
        if hits:
            found[path.relative_to(ROOT).as_posix()] = hits
    assert found == {}
