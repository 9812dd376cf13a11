"""`farline keys new` and `farline keys hash`: keys of clients and of operators. Only their SHA-256 goes into the
configuration. `farline keys node`: the key by which other nodes know this one. `farline keys publisher`: the key that
signs published configurations."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config.kinds import IDENTIFIER
from transport.session.keys import KINDS, fingerprint, load, make, spki

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_RANDOM_BYTES = 32
ROLES = ("viewer", "operator", "admin")


def add(subparsers: Subparsers) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser("keys", help="make keys of clients, operators and nodes")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key and print it once, with its block of the configuration")
    new.add_argument("--id", default="client", type=_id, metavar="NAME", help="the key's id (default: client)")
    new.set_defaults(run=run_new)
    digest = actions.add_parser("hash", help="read a key from standard input, print its block")
    digest.add_argument("--id", default="client", type=_id, metavar="NAME", help="the key's id (default: client)")
    digest.set_defaults(run=run_hash)
    node = actions.add_parser("node", help="make a node's private key and print its fingerprint")
    node.add_argument("--out", required=True, type=Path, metavar="FILE", help="where to write it; must not exist")
    node.add_argument("--type", choices=KINDS, default="p256", help="default: p256")
    node.add_argument("--json", action="store_true", help="print one JSON object")
    node.set_defaults(run=run_node)
    publisher = actions.add_parser("publisher", help="make a private key that signs published configurations")
    publisher.add_argument("--out", required=True, type=Path, metavar="FILE", help="where to write it; must not exist")
    publisher.add_argument("--json", action="store_true", help="print one JSON object")
    publisher.set_defaults(run=run_publisher)
    for action in (new, digest):
        action.add_argument("--role", choices=ROLES, help="make it an [[admin_key]] with this role")
        action.add_argument("--json", action="store_true", help="print one JSON object")


def _id(text: str) -> str:
    if not IDENTIFIER.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, dot, dash and underscore, 64 at most")
    return text


def run_new(args: argparse.Namespace) -> int:
    """Prints a fresh key: the only time that it is seen."""
    key = f"{'fla' if args.role else 'fl'}-{secrets.token_urlsafe(_RANDOM_BYTES)}"
    if args.json:
        print(json.dumps({"id": args.id, "key": key, "sha256": _digest(key)}))
    else:
        holder = "operator" if args.role else "client"
        block = _block(args.id, key, args.role)
        print(f"For the {holder}, shown only now: {key}\n\nFor the configuration:\n{block}")
    return 0


def run_hash(args: argparse.Namespace) -> int:
    """Prints the hash of the key on standard input; at a terminal it asks without echo."""
    key = (getpass.getpass("key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not key:
        print("farline keys hash: no key on standard input", file=sys.stderr)
        return 2
    print(json.dumps({"id": args.id, "sha256": _digest(key)}) if args.json else _block(args.id, key, args.role))
    return 0


def run_node(args: argparse.Namespace) -> int:
    """Writes a fresh private key that only this user may read, and prints its fingerprint."""
    told = _write(args, "node", args.type)
    if told is None:
        return 1
    if not args.json:
        print(f'{told}\n\nFor this node\'s configuration:\n[node]\nkey = "file:{args.out}"')
    return 0


def run_publisher(args: argparse.Namespace) -> int:
    """Writes a fresh private key that only this user may read, and prints its fingerprint."""
    told = _write(args, "publisher", "ed25519")
    if told is None:
        return 1
    if not args.json:
        print(f'{told}\n\nFor the nodes\' own configurations:\n[cluster]\nconfig_keys = ["{told}"]')
        print(f"\nTo publish: farline config publish FILE --key file:{args.out}")
    return 0


def _write(args: argparse.Namespace, action: str, kind: str) -> str | None:
    """The fingerprint of a new key in a new file; None if it can't be written, which is said."""
    pem = make(kind)
    try:
        with open(os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        print(f"farline keys {action}: {args.out}: {error.strerror}", file=sys.stderr)
        return None
    told = fingerprint(spki(load(pem).public_key()))
    if args.json:
        print(json.dumps({"file": str(args.out), "fingerprint": told}))
    return told


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _block(id: str, key: str, role: str | None) -> str:
    section, more = ("admin_key", f'\nrole = "{role}"') if role else ("key", "")
    return f'[[{section}]]\nid = "{id}"\nsha256 = "{_digest(key)}"{more}'
