"""`farline check -c FILE`: every fault of a configuration, or what it amounts to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from edge.config.fault import ConfigError
from edge.config.model import Snapshot
from edge.config.summary import summary
from edge.config.watch import load
from health.aio.abilities import inabilities

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

FAULTY = 2


def add(subparsers: Subparsers) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser("check", help="say everything that is wrong with a configuration file")
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help="the TOML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints one line per fault and returns 2, or prints a summary and returns 0."""
    try:
        snapshot = load(args.config)
    except ConfigError as error:
        print_faults(error, as_json=args.json)
        return FAULTY
    told = {**summary(snapshot), "probes": _probes(snapshot)}
    print(json.dumps({"ok": True, "faults": [], **told}, indent=2) if args.json else "\n".join(_lines(told)))
    return 0


def print_faults(error: ConfigError, *, as_json: bool = False, to: IO[str] | None = None) -> None:
    """One line per fault, or `{"ok": false, "faults": […]}`; to standard output unless told otherwise."""
    if as_json:
        print(json.dumps({"ok": False, "faults": [asdict(fault) for fault in error.faults]}, indent=2), file=to)
        return
    for fault in error.faults:
        print(fault, file=to)


def _probes(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """By line: the kinds of probes that this machine can send, and why not the others."""
    if not snapshot.probe.enabled:
        return {}
    found = {}
    for line in snapshot.lines:
        unable = inabilities(line, snapshot.probe.kinds)
        able = [kind.value for kind in snapshot.probe.kinds if kind not in unable]
        found[line.id] = {"kinds": able, "missing": {kind.value: why for kind, why in unable.items()}}
    return found


def _lines(told: dict[str, Any]) -> Iterator[str]:
    node, listen = told["node"], told["listen"]
    yield f"{told['source']}: ok ({node['role']} {node['name']})"
    admin = f", admin {listen['admin']}" if listen["admin"] else ", no admin"
    where = ", ".join((*listen["data"], *(f"sessions {address}" for address in listen["session"])))
    yield f"  listens    {where}{' (TLS)' if listen['tls'] else ''}{admin}"
    if told["fingerprint"]:
        yield f"  key        {told['fingerprint']}"
    for relay in told["relays"]:
        over = ", ".join(relay["lines"])
        yield f"  relay      {relay['id']}: {relay['address']} over {over} ({relay['redundancy']}, {relay['carrier']})"
    for edge in told["edges"]:
        yield f"  edge       {edge['id']}: {edge['fingerprint']}"
    for line in told["lines"]:
        carrier = f" {line['carrier']}" if line["carrier"] else ""
        yield f"  line       {line['id']}{carrier}: {line['way']}, weight {line['weight']:g}"
    for line, probes in told["probes"].items():
        missing = "; ".join(f"no {kind}: {why}" for kind, why in probes["missing"].items())
        yield f"  probes     {line}: {' '.join(probes['kinds'])}{f' ({missing})' if missing else ''}"
    for provider in told["providers"]:
        for endpoint in provider["endpoints"]:
            protocols = " ".join(endpoint["protocols"])
            credential = endpoint["credential"]
            yield f"  endpoint   {provider['id']}/{endpoint['id']}: {endpoint['url']} [{protocols}], {credential}"
    for pool in told["pools"]:
        models = ", ".join(pool["models"]) if pool["models"] is not None else "the models it lists"
        yield f"  pool       {pool['id']}: {pool['url']} ({pool['engine']}), {models}"
    cluster = told["cluster"]
    if cluster is not None:
        shares = " and ".join(cluster["shares"]) or "nothing"
        yield f"  cluster    {cluster['id']} at {', '.join(cluster['redis'])}, shares {shares}"
    published = told["published"]
    if published is not None:
        version = f"version {published['version']}" if published["version"] else "nothing taken yet"
        yield f"  published  {published['channel']}: {version}; {published['file']}"
    cache = told["cache"]
    yield f"  cache      {cache['store']}{_cache(cache)}"
    yield f"  models     {len(told['models'])}, client keys {len(told['keys'])}"
    for warning in told["warnings"]:
        yield f"  warning    {warning}"


def _cache(cache: dict[str, Any]) -> str:
    """The rules in words, first to last."""
    if cache["store"] == "off":
        return ""
    sealed = ", encrypted" if cache["encrypted"] else ""
    rules = [
        f"{rule['what']}{_for(rule['for'])} {rule['ttl_seconds']:g} s{' SHARED' if rule['scope'] == 'shared' else ''}"
        for rule in cache["rules"]
    ]
    without = f"; nothing of {', '.join(cache['zero_retention'])}" if cache["zero_retention"] else ""
    return f"{sealed}: {'; '.join(rules) or 'no rule: nothing is stored'}{without}"


def _for(patterns: dict[str, list[str]]) -> str:
    return "".join(f" [{name} {' '.join(words)}]" for name, words in patterns.items())
