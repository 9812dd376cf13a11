"""One query, one reply: an authoritative server for a single zone, and for nothing else.

RFC 1035 messages, EDNS (RFC 6891), the client's subnet (RFC 7871), short answers to ANY (RFC 8482), the serial and
times of the SOA for negative answers (RFC 2308). No recursion, no zone transfers. The wire format is dnspython's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from edge.cluster.registry import NodeNote
from edge.dns.zone import Place, Zone, told

LARGEST_UDP = 1232
"""Bytes that pass everywhere unfragmented (DNS Flag Day 2020)."""
_PLAIN = 512
_HEADER = 12
_SUBNET = {1: 24, 2: 56}  # family → the finest prefix that makes a difference here
_ADDRESSES = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
HOUR = 3600

Address = IPv4Address | IPv6Address


Records = tuple[dns.rcode.Rcode, list[dns.rrset.RRset], list[dns.rrset.RRset]]
"""The code, the answer and the authority section."""
MOST_MADE = 2000


@dataclass(frozen=True, slots=True)
class Picture:
    """What replies are made from: the nodes as they are now, and where an address is (None: unknown). `made`: records
    that were asked for before."""

    zone: Zone
    notes: Sequence[NodeNote]
    place: Callable[[Address], Place | None]
    serial: int
    made: dict[tuple[dns.name.Name, dns.rdatatype.RdataType, Place | None], Records] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """`code`: for the counters."""

    wire: bytes
    code: str


def answer(query: bytes, sender: Address, picture: Picture, *, is_udp: bool) -> Reply | None:
    """None: it is no query, and nothing is to be sent. Never raises because of what the query says."""
    if len(query) < _HEADER or query[2] & 0x80:  # a reply to a reply would go to and fro for ever
        return None
    if query[2] & 0x78:  # RFC 1035 §4.1.1: another opcode than QUERY
        return Reply(_bare(query, dns.rcode.NOTIMP), "NOTIMP")
    try:
        asked = dns.message.from_wire(query, ignore_trailing=True)
    except Exception:  # whatever the library makes of noise: the reply can only say so
        return Reply(_bare(query, dns.rcode.FORMERR), "FORMERR")
    if asked.edns > 0:
        reply = dns.message.make_response(asked)
        reply.use_edns(0, payload=LARGEST_UDP)
        reply.set_rcode(dns.rcode.BADVERS)
        return _sent(reply, asked, is_udp)
    if len(asked.question) != 1:
        return Reply(_bare(query, dns.rcode.FORMERR), "FORMERR")
    return _sent(_replied(asked, sender, picture), asked, is_udp)


def truncated(query: bytes) -> bytes | None:
    """An empty reply that says: come again by TCP."""
    if len(query) < _HEADER or query[2] & 0x80:
        return None
    return _bare(query, dns.rcode.NOERROR, is_truncated=True)


def _replied(asked: dns.message.Message, sender: Address, picture: Picture) -> dns.message.Message:
    question = asked.question[0]
    reply = dns.message.make_response(asked, our_payload=LARGEST_UDP)
    zone = dns.name.from_text(picture.zone.name)
    transfer = question.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
    if (
        question.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY)
        or not question.name.is_subdomain(zone)
        or transfer
    ):
        reply.set_rcode(dns.rcode.REFUSED)
        return reply
    reply.flags |= dns.flags.AA
    option = _subnet(asked)
    client, scope = (sender, 0) if option is None else _client(option, sender)
    place = picture.place(client)
    code, reply.answer, reply.authority = _found(picture, question, zone, place)
    reply.set_rcode(code)
    if option is not None:
        told_scope = scope if place is not None else 0
        own = dns.edns.ECSOption(option.address, option.srclen, told_scope)
        reply.use_edns(0, payload=LARGEST_UDP, options=[own])
    return reply


def _found(picture: Picture, question: dns.rrset.RRset, zone: dns.name.Name, place: Place | None) -> Records:
    key = question.name, question.rdtype, place
    made = picture.made.get(key)
    if made is None:
        if len(picture.made) >= MOST_MADE:
            picture.made.clear()
        made = picture.made[key] = _make(picture, question, zone, place)
    return made


def _make(picture: Picture, question: dns.rrset.RRset, zone: dns.name.Name, place: Place | None) -> Records:
    label = question.name.relativize(zone).to_text(omit_final_dot=True).lower()
    found = told(picture.zone, "" if label == "@" else label, picture.notes, place)
    answer = [] if found is None else _records(picture, question, zone, found, is_apex=label == "@")
    code = dns.rcode.NXDOMAIN if found is None else dns.rcode.NOERROR
    return code, answer, [] if answer else [_soa(picture, zone)]


def _records(
    picture: Picture, question: dns.rrset.RRset, zone: dns.name.Name, found: Sequence[str], *, is_apex: bool
) -> list[dns.rrset.RRset]:
    ttl, kind = picture.zone.ttl, question.rdtype
    if kind == dns.rdatatype.ANY:
        return [dns.rrset.from_text(question.name, HOUR, "IN", "HINFO", '"RFC8482" ""')]
    if kind in _ADDRESSES:
        wanted = [each for each in found if ip_address(each).version == _ADDRESSES[kind]]
        return [dns.rrset.from_text(question.name, ttl, "IN", kind, *wanted)] if wanted else []
    if kind == dns.rdatatype.SOA and is_apex:
        return [_soa(picture, zone)]
    if kind == dns.rdatatype.NS and is_apex:
        servers = [f"{name}." for name in picture.zone.nameservers]
        return [dns.rrset.from_text(question.name, HOUR, "IN", "NS", *servers)]
    return []


def _soa(picture: Picture, zone: dns.name.Name) -> dns.rrset.RRset:
    """Names that aren't there may be there in a moment: negative answers live no longer than others."""
    ttl, own = picture.zone.ttl, picture.zone
    data = f"{own.nameservers[0]}. {own.mailbox}. {picture.serial} {HOUR} 600 604800 {ttl}"
    return dns.rrset.from_text(zone, ttl, "IN", "SOA", data)


def _subnet(asked: dns.message.Message) -> dns.edns.ECSOption | None:
    return next((option for option in asked.options if isinstance(option, dns.edns.ECSOption)), None)


def _client(option: dns.edns.ECSOption, sender: Address) -> tuple[Address, int]:
    """Where the client is, and for how large a network the answer holds. With a prefix of 0 the client wants nobody to
    know: then it is where its resolver is."""
    if option.srclen == 0:
        return sender, 0
    return ip_address(option.address), min(option.srclen, _SUBNET[option.family])


def _sent(reply: dns.message.Message, asked: dns.message.Message, is_udp: bool) -> Reply:
    code = dns.rcode.to_text(reply.rcode())
    most = 65_535
    if is_udp:
        most = _PLAIN if asked.edns < 0 else min(max(asked.payload, _PLAIN), LARGEST_UDP)
    return Reply(reply.to_wire(max_size=most, prefer_truncation=True, want_shuffle=False), code)


def _bare(query: bytes, rcode: int, is_truncated: bool = False) -> bytes:
    """A header alone, with the query's id, opcode and wish for recursion; with its question if it is truncated."""
    flags = 0x80 | (query[2] & 0x79) | (0x02 if is_truncated else 0)
    return query[:2] + bytes((flags, rcode)) + bytes(8)
