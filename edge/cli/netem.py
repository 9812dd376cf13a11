"""`farline netem`: bad networks on this machine: what it can do, is it true, and commands inside one."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from netem.aio.control import Remote
from netem.aio.doctor import verify
from netem.aio.lab import ENVIRONMENT, Lab, LineControl
from netem.aio.machine import Ability, abilities, choose_backend
from netem.aio.namespaces import RUN, LabError
from netem.link.conditions import Profile
from netem.link.event import KINDS
from netem.profiles import PROFILES, profile
from netem.scenario import Backend, LineSpec, Scenario, load_scenario
from netem.topology import CLIENT, EDGE, FAR
from netem.verify import Check

_SCENARIO = 'a TOML file, or names of profiles joined by "+": cn2+cmi-evening makes line1 and line2'
_NUMBERS = ("at", "seconds", "loss", "rtt_ms", "rate_mbit", "period", "mtu")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its verbs."""
    command = subparsers.add_parser("netem", help="bad networks to test on", description=__doc__)
    verbs = command.add_subparsers(metavar="VERB", required=True)
    doctor = _verb(verbs, "doctor", _doctor, "what this machine can do, and whether the emulation is true")
    doctor.add_argument("--backend", choices=get_args(Backend), default="auto")
    doctor.add_argument("--seconds", type=float, default=4.0, help="how long to measure (default 4)")
    profiles = _verb(verbs, "profiles", _profiles, "the named lines")
    profiles.add_argument("name", nargs="?", help="all settings of this one")
    up = _verb(verbs, "up", _up, "build a lab and keep it until Ctrl-C")
    up.add_argument("scenario", help=_SCENARIO)
    run = _verb(verbs, "run", _run, "run a command inside a lab")
    run.add_argument("scenario", help=_SCENARIO)
    run.add_argument("--in", dest="role", default=EDGE, choices=(CLIENT, EDGE, FAR), help="where (default: edge)")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")
    event = _verb(verbs, "event", _event, "let something happen in a running lab")
    event.add_argument("line", help="id of the line")
    event.add_argument("kind", choices=sorted(KINDS))
    event.add_argument("--lab", type=Path, help=f"control socket (default: ${ENVIRONMENT}, or the only lab there is)")
    event.add_argument("--scope", choices=("both", "up", "down"))
    for name in _NUMBERS:
        event.add_argument(f"--{name.replace('_', '-')}", type=int if name == "mtu" else float)


def _verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def _doctor(args: argparse.Namespace) -> int:
    found = abilities()
    try:
        backend = choose_backend(args.backend)
        checks, fault = verify(args.backend, args.seconds), ""
    except (LabError, ValueError) as refused:
        backend, checks, fault = "", [], str(refused)
    is_good = not fault and all(check.is_good for check in checks)
    if args.json:
        rows = [{**asdict(check), "ok": check.is_good} for check in checks]
        has = [{**asdict(ability), "ok": ability.is_there} for ability in found]
        _print_json({"ok": is_good, "backend": backend, "fault": fault, "abilities": has, "checks": rows})
    else:
        _print_abilities(found)
        _print_checks(backend, checks)
        print(fault or ("all within tolerance" if is_good else "OUT OF TOLERANCE"))
    return 0 if is_good else 1


def _print_abilities(found: Sequence[Ability]) -> None:
    for ability in found:
        print(f"{'yes' if ability.is_there else 'no ':<4}{ability.name:<12}{ability.note or ability.fault}".rstrip())


def _print_checks(backend: str, checks: Sequence[Check]) -> None:
    if not checks:
        return
    print(f"\nbackend {backend}\n{'':26}{'configured':>11}{'this seed':>11}{'measured':>11}{'± allowed':>11}")
    for check in checks:
        figures = (check.configured, check.expected, check.measured, check.tolerance)
        row = "".join(f"{figure:>11.2f}" for figure in figures)
        print(f"{check.what:<26}{row}  {check.unit}{'' if check.is_good else '   <-- out of tolerance'}")


def _profiles(args: argparse.Namespace) -> int:
    try:
        chosen = {args.name: profile(args.name)} if args.name else PROFILES
    except ValueError as wrong:
        return _refuse(str(wrong))
    if args.json or args.name:
        _print_json({name: asdict(found) for name, found in chosen.items()})
        return 0
    print(f"{'':18}{'RTT ms':>8}{'jitter σ':>10}{'loss up':>10}{'loss down':>11}")
    for name, found in chosen.items():
        print(f"{name:<18}{_profile_row(found)}  {found.note}")
    return 0


def _profile_row(found: Profile) -> str:
    jitter = (found.up.jitter_ms**2 + found.down.jitter_ms**2) ** 0.5
    return f"{found.rtt_ms:>8g}{jitter:>10.3g}{found.up.mean_loss:>10.2%}{found.down.mean_loss:>11.2%}"


def _up(args: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Lab(_scenario(args.scenario)) as lab:
            _describe(lab, args.json)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (LabError, ValueError, OSError) as refused:
        return _refuse(str(refused))
    return 0


def _describe(lab: Lab, is_json: bool) -> None:
    namespaces = {role: lab.namespace(role) for role in (CLIENT, EDGE, FAR)}
    lines = {spec.id: lab.address(EDGE, spec.id) for spec in lab.scenario.lines}
    hosts = {name: lab.address(name) for name in lab.scenario.hosts}
    facts = {"control": str(lab.control_path), "namespaces": namespaces, "lines": lines, "hosts": hosts}
    if is_json:
        _print_json({"backend": lab.backend, **facts})
        return
    print(f"backend {lab.backend}, control socket {lab.control_path}")
    for role, namespace in namespaces.items():
        print(f"  {role:<10}ip netns exec {namespace} …")
    for title, addresses in (("line", lines), ("host", hosts)):
        for name, address in addresses.items():
            print(f"  {title} {name:<16}{address}")
    print("until Ctrl-C", flush=True)


def _run(args: argparse.Namespace) -> int:
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        return _refuse("no command: farline netem run SCENARIO -- COMMAND …")
    try:
        with Lab(_scenario(args.scenario)) as lab:
            code: int = lab.run_in(args.role, argv).returncode
    except (LabError, ValueError, OSError) as refused:
        return _refuse(str(refused))
    return code if code >= 0 else 128 - code


def _event(args: argparse.Namespace) -> int:
    settings = {name: value for name in (*_NUMBERS, "scope") if (value := getattr(args, name)) is not None}
    try:
        remote = Remote(args.lab or _only_lab())
        try:
            LineControl(remote, args.line).event(args.kind, **settings)
        finally:
            remote.close()
    except LabError as refused:
        return _refuse(str(refused))
    if args.json:
        _print_json({"ok": True})
    return 0


def _only_lab() -> Path:
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    running = sorted(RUN.iterdir()) if RUN.is_dir() else []
    if len(running) != 1:
        raise LabError(f"{len(running)} labs are running: name one's control socket with --lab")
    return running[0]


def _scenario(text: str) -> Scenario:
    path = Path(text)
    if path.suffix == ".toml" or path.exists():
        return load_scenario(path)
    names = text.split("+")
    return Scenario(tuple(LineSpec(f"line{number}", profile(name)) for number, name in enumerate(names, 1)), name=text)


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    print(flush=True)


def _refuse(text: str) -> int:
    print(f"farline netem: {text}", file=sys.stderr)
    return 2
