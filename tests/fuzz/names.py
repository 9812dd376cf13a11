"""Fuzzing the DNS responder: `python -m tests.fuzz.names --seconds 30 [--seed N]`.

Queries, whole, damaged or noise, get a reply that can be read and isn't larger than it may be, or none. Never an
exception. Prints the seed of what failed.
"""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import dns.edns
import dns.message

from edge.cluster.registry import NodeNote
from edge.dns.answer import Picture, answer, truncated
from edge.dns.zone import Zone
from tests.fuzz.seeds import run

NOTES = [NodeNote(f"n{n}", 1, region=f"r{n % 3}", addresses=(f"203.0.113.{n}", f"2001:db8::{n}")) for n in range(1, 30)]
PICTURE = Picture(Zone("edge.example.com", ("ns1.example.com",), answers=16), NOTES, lambda address: None, 1)
SENDER = ip_address("192.0.2.1")
NAMES = ("edge.example.com", "n1.edge.example.com", "r1.edge.example.com", "x.edge.example.com", "example.org", ".")
KINDS = ("A", "AAAA", "ANY", "NS", "SOA", "TXT", "AXFR", "OPT", "TSIG", "DNSKEY")


def any_query(random: Random) -> bytes:
    """Well formed."""
    subnet = dns.edns.ECSOption(random.choice(("198.51.100.0", "2001:db8::")), random.choice((0, 1, 24, 32)))
    options = random.choice(([], [subnet], [subnet, dns.edns.GenericOption(10, random.randbytes(8))]))
    edns = random.choice((-1, 0, 0, 1))
    payload = random.choice((0, 512, 4096, 65535))
    name = "".join(random.choice((str.upper, str.lower))(letter) for letter in random.choice(NAMES))
    query = dns.message.make_query(
        name, random.choice(KINDS), use_edns=edns, options=options if edns >= 0 else None, payload=payload
    )
    return query.to_wire()


def attempt(seed: int) -> None:
    try:
        _attempt(Random(seed))
    except BaseException:
        print(f"seed {seed}")
        raise


def _attempt(random: Random) -> None:
    data = bytearray(any_query(random) if random.random() < 0.9 else random.randbytes(random.randrange(200)))
    for _ in range(random.choice((0, 1, 2, 8)) if data else 0):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.2:
        data = data[: random.randrange(len(data) + 1)]
    is_udp = random.random() < 0.8
    reply = answer(bytes(data), SENDER, PICTURE, is_udp=is_udp)
    if reply is not None:
        assert reply.wire[:2] == data[:2], "another question's reply"
        assert reply.wire[2] & 0x80, "no reply"
        assert not is_udp or len(reply.wire) <= 1232, "too large"
        if reply.code != "FORMERR":
            dns.message.from_wire(reply.wire)
    short = truncated(bytes(data))
    assert short is None or len(short) <= len(data), "larger than what was asked"


if __name__ == "__main__":
    run(__doc__, attempt)
