"""`serve`: the provider as a process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from typing import Any

import uvloop

from netem.provider.aio.server import FakeProvider
from netem.provider.sim import DEFAULT, SimError, from_header, from_mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0 picks a free one (default 9000)")
    parser.add_argument("--control-port", type=int, default=0, help="of the control plane (default: a free one)")
    parser.add_argument("--tls", action="store_true", help="TLS: HTTP/1.1 and HTTP/2 on TCP, HTTP/3 on UDP")
    parser.add_argument("--no-h3", action="store_true", help="with --tls: no HTTP/3")
    parser.add_argument("--cert", help="PEM file; without it a CA is made")
    parser.add_argument("--key", help="PEM file")
    parser.add_argument("--name", action="append", default=[], help="another host name or address in the certificate")
    parser.add_argument("--tokens-per-second", type=float, default=30.0)
    parser.add_argument("--think-ms", type=float, default=200.0, help="until a reply begins")
    parser.add_argument("--tokens", type=int, default=64, help="in a reply")
    parser.add_argument("--sim", default="", help="further defaults, as in an x-sim header")
    parser.add_argument("--json", action="store_true", help="say where it listens as one line of JSON")


def serve(args: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. 2: bad arguments or a port that is taken."""
    try:
        provider = _provider(args)
        uvloop.run(_run(provider, as_json=args.json))
    except (OSError, SimError, ValueError) as error:
        print(f"farline demo provider: {error}")
        return 2
    return 0


def _provider(args: argparse.Namespace) -> FakeProvider:
    if args.tokens_per_second <= 0:
        raise SimError("--tokens-per-second must be positive")
    pace = {"interval_ms": 1000 / args.tokens_per_second, "think_ms": args.think_ms, "tokens": args.tokens}
    return FakeProvider(
        args.host,
        args.port,
        tls=args.tls,
        h3=args.tls and not args.no_h3,
        alt_svc=args.tls,
        cert=args.cert,
        key=args.key,
        names=("localhost", "127.0.0.1", "::1", *args.name),
        sim=from_header(args.sim, from_mapping(pace, DEFAULT)),
        control_port=args.control_port,
    )


async def _run(provider: FakeProvider, as_json: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with provider:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(about(provider)) if as_json else how_to_use(provider), flush=True)
        await ended.wait()


def about(provider: FakeProvider) -> dict[str, Any]:
    """Where it listens."""
    h3 = f"{provider.host}:{provider.port}/udp" if provider.has_h3 else None
    return {"url": provider.url, "control_url": provider.control_url, "ca_file": provider.ca_file, "h3": h3}


def how_to_use(provider: FakeProvider) -> str:
    """Lines to paste."""
    protocols = {"h3": provider.has_h3, "h2": provider.is_tls, "http/1.1": True}
    offered = ", ".join(f'"{name}"' for name, is_offered in protocols.items() if is_offered)
    ca = f'  ca_file = "{provider.ca_file}"' if provider.ca_file else ""
    sections = [
        f"""[[provider]]
id = "{name}"
dialect = "{name}"
credential = "client"
  [[provider.endpoint]]
  url = "{provider.url}"
  protocols = [{offered}]
{ca}""".rstrip()
        for name in ("openai", "anthropic", "gemini")
    ]
    trust = f"\nexport SSL_CERT_FILE={provider.ca_file}" if provider.ca_file else ""
    k = "--cacert " + provider.ca_file + " " if provider.ca_file else ""
    return f"""A fake provider listens on {provider.url}, its control plane on {provider.control_url}.

# an edge's file that uses it
{chr(10).join(sections)}

# SDKs straight at it; any key will do{trust}
export OPENAI_BASE_URL={provider.url}/v1 OPENAI_API_KEY=any
export ANTHROPIC_BASE_URL={provider.url} ANTHROPIC_API_KEY=any
export GOOGLE_GEMINI_BASE_URL={provider.url} GEMINI_API_KEY=any

# a stream that dies after ten tokens
curl -N {k}{provider.url}/v1/chat/completions -H 'x-sim: fault=reset,after=10' \\
  -d '{{"model": "gpt-4.1", "stream": true, "messages": [{{"role": "user", "content": "hi"}}]}}'

# what it executed
curl {provider.control_url}/_sim/counters
"""
