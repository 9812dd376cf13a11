"""The zone: names, the order of nodes, replies to queries, the file of it; limits."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from edge.cluster.registry import LineNote, NodeNote
from edge.dns import answer as answering
from edge.dns.answer import Picture, Reply, answer, truncated
from edge.dns.export import NoAddress, bind, records
from edge.dns.limits import ALL, MOST, Limits, Verdict
from edge.dns.zone import Zone, addresses, best, edges, label, names, told
from edge.observe.dns import DnsMetrics

NOTES = [
    NodeNote("bj-1", 1, region="cn-north", location=(39.9, 116.4), addresses=("203.0.113.1", "2001:db8::1")),
    NodeNote("sh-1", 1, region="cn-east", location=(31.2, 121.5), addresses=("203.0.113.2",)),
    NodeNote("sz_1", 1, region="CN South", location=(22.5, 114.1), address="https://203.0.113.3:443/"),
    NodeNote("gz-1", 1, region="CN South", location=(23.1, 113.3), addresses=("203.0.113.4",), is_draining=True),
    NodeNote("sjc", 1, role="relay", addresses=("203.0.113.9",)),
    NodeNote("named", 1, address="https://edge.example.net"),
]
ZONE = Zone("edge.example.com", ("ns1.example.com", "ns2.example.com"), ttl=20, answers=2)
SENDER = ip_address("192.0.2.53")
SHANGHAI = (31.0, 121.0)


def picture(notes: list[NodeNote] = NOTES, zone: Zone = ZONE) -> Picture:
    return Picture(zone, notes, lambda address: SHANGHAI if str(address).startswith("198.51.") else None, 7)


def ask(
    name: str,
    kind: str = "A",
    *,
    subnet: dns.edns.ECSOption | None = None,
    known: Picture | None = None,
    udp: bool = True,
) -> dns.message.Message:
    query = dns.message.make_query(
        name, kind, use_edns=-1 if subnet is None else 0, options=[subnet] if subnet else None
    )
    reply = answer(query.to_wire(), SENDER, known or picture(), is_udp=udp)
    assert reply is not None
    found = dns.message.from_wire(reply.wire)
    assert found.id == query.id
    assert found.question == query.question
    assert not found.flags & dns.flags.RA
    return found


def data(reply: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in reply.answer for rdata in rrset]


def test_labels_and_addresses() -> None:
    assert (label("CN South"), label("--é"), label("a" * 80)) == ("cn-south", "", "a" * 63)
    assert [addresses(note) for note in NOTES[2:]] == [("203.0.113.3",), ("203.0.113.4",), ("203.0.113.9",), ()]
    assert addresses(NodeNote("x", 1, address="https://[2001:db8::2]:443")) == ("2001:db8::2",)


def test_names_of_the_zone() -> None:
    found = names([*NOTES, NodeNote("é", 1, addresses=("203.0.113.5",))])
    assert sorted(found) == ["", "bj-1", "cn-east", "cn-north", "cn-south", "gz-1", "sh-1", "sz-1"]
    assert [note.name for note in found["cn-south"]] == ["gz-1", "sz_1"]


def test_geography_first_then_the_best_line_then_load() -> None:
    assert [note.name for note in best(NOTES, None)] == ["bj-1", "sh-1", "sz_1"]
    far = [*NOTES[:3], NodeNote("lon", 1, location=(51.5, -0.1), addresses=("203.0.113.6",))]
    assert best(far, SHANGHAI)[-1].name == "lon"
    slow, quick = (NodeNote(n, 1, addresses=("203.0.113.7",), lines=(LineNote("l", standing="admitted", rtt=r),))
                   for n, r in (("a", 0.2), ("b", 0.1)))  # fmt: skip
    assert [note.name for note in best([slow, quick], None)] == ["b", "a"]
    busy = NodeNote("a", 1, addresses=("203.0.113.7",), in_flight=9, max_in_flight=10)
    idle = NodeNote("b", 1, addresses=("203.0.113.8",), in_flight=1, max_in_flight=10)
    assert [note.name for note in best([busy, idle], None)] == ["b", "a"]


def test_who_has_no_line_that_works_is_left_out_unless_all_are_so() -> None:
    dead = NodeNote("dead", 1, addresses=("203.0.113.7",), lines=(LineNote("l", standing="ejected"),))
    off = NodeNote("off", 1, addresses=("203.0.113.8",), lines=(LineNote("l", standing="admitted", switch="off"),))
    assert [note.name for note in edges([dead, off, NOTES[0]])] == ["bj-1"]
    assert [note.name for note in edges([dead, off])] == ["dead", "off"]


def test_addresses_of_names() -> None:
    assert told(ZONE, "", NOTES, SHANGHAI) == ["203.0.113.2", "203.0.113.1", "2001:db8::1"]
    assert told(ZONE, "gz-1", NOTES, None) == ["203.0.113.4"]  # asked for by its name, although it drains
    assert told(ZONE, "cn-south", NOTES, None) == ["203.0.113.3"]
    assert told(ZONE, "nowhere", NOTES, None) is None
    assert told(ZONE, "", [], None) == []


def test_replies() -> None:
    reply = ask("edge.example.com")
    assert data(reply) == ["203.0.113.1", "203.0.113.2"]
    assert reply.flags & dns.flags.AA
    assert reply.answer[0].ttl == 20
    assert str(ask("EDGE.example.COM").question[0].name) == "EDGE.example.COM."
    assert data(ask("bj-1.edge.example.com", "AAAA")) == ["2001:db8::1"]
    assert data(ask("edge.example.com", "NS")) == ["ns1.example.com.", "ns2.example.com."]
    assert data(ask("edge.example.com", "SOA")) == [
        "ns1.example.com. hostmaster.edge.example.com. 7 3600 600 604800 20"
    ]
    assert data(ask("edge.example.com", "ANY")) == ['"RFC8482" ""']


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("nowhere.edge.example.com", "A", "NXDOMAIN"),
        ("x.bj-1.edge.example.com", "A", "NXDOMAIN"),
        ("sh-1.edge.example.com", "AAAA", "NOERROR"),
        ("sh-1.edge.example.com", "NS", "NOERROR"),
        ("sh-1.edge.example.com", "SOA", "NOERROR"),
        ("edge.example.com", "MX", "NOERROR"),
    ],
)
def test_nothing_there(name: str, kind: str, code: str) -> None:
    reply = ask(name, kind)
    assert (dns.rcode.to_text(reply.rcode()), reply.answer) == (code, [])
    assert reply.authority[0].to_text().startswith("edge.example.com. 20 IN SOA")


@pytest.mark.parametrize(("name", "kind"), [("example.com", "A"), ("edge.example.com", "AXFR"), (".", "NS")])
def test_refused(name: str, kind: str) -> None:
    reply = ask(name, kind)
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.flags & dns.flags.AA
    assert not reply.authority


def test_another_class_is_refused() -> None:
    query = dns.message.make_query("edge.example.com", "TXT", rdclass="CH")
    assert code(query.to_wire()) == "REFUSED"


def test_the_clients_subnet() -> None:
    reply = ask("edge.example.com", subnet=dns.edns.ECSOption("198.51.100.0", 24))
    assert data(reply)[0] == "203.0.113.2"
    (told_back,) = reply.options
    assert (told_back.address, told_back.srclen, told_back.scopelen) == ("198.51.100.0", 24, 24)
    assert ask("edge.example.com", subnet=dns.edns.ECSOption("198.51.0.0", 16)).options[0].scopelen == 16
    assert ask("edge.example.com", subnet=dns.edns.ECSOption("203.0.113.0", 24)).options[0].scopelen == 0
    assert ask("edge.example.com", subnet=dns.edns.ECSOption("2001:db8::", 56)).options[0].scopelen == 0
    hidden = ask("edge.example.com", subnet=dns.edns.ECSOption("0.0.0.0", 0))
    assert (data(hidden)[0], hidden.options[0].scopelen) == ("203.0.113.1", 0)


def test_replies_fit_or_say_that_they_dont() -> None:
    many = [NodeNote(f"n{n}", 1, addresses=(f"2001:db8::{n}",)) for n in range(1, 60)]
    known = picture(many, Zone("edge.example.com", ("ns.example.com",), answers=40))
    short = ask("edge.example.com", "AAAA", known=known)
    assert short.flags & dns.flags.TC
    assert len(short.to_wire()) <= 512
    assert len(data(ask("edge.example.com", "AAAA", known=known, udp=False))) == 40
    query = dns.message.make_query("edge.example.com", "AAAA", use_edns=0, payload=65535).to_wire()
    reply = answer(query, SENDER, known, is_udp=True)
    assert reply is not None
    assert 512 < len(reply.wire) <= 1232


def code(query: bytes) -> str | None:
    reply = answer(query, SENDER, picture(), is_udp=True)
    return None if reply is None else reply.code


def test_odd_queries() -> None:
    plain = dns.message.make_query("edge.example.com", "A")
    wire = plain.to_wire()
    assert code(wire[:11]) is None
    assert code(wire[:2] + bytes((wire[2] | 0x80,)) + wire[3:]) is None  # a reply
    assert code(wire[:2] + bytes((0x28,)) + wire[3:]) == "NOTIMP"  # an update
    assert code(bytes(12)) == "FORMERR"
    assert code(wire[:-3]) == "FORMERR"
    two = wire[:4] + b"\0\2" + wire[6:] + wire[12:]
    assert code(two) == "FORMERR"
    version = dns.message.make_query("edge.example.com", "A", use_edns=3)
    assert code(version.to_wire()) == "BADVERS"


def test_records_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MOST_MADE", 2)
    known = picture()
    for name in ("edge.example.com", "edge.example.com", "a.edge.example.com", "b.edge.example.com"):
        ask(name, known=known)
    assert len(known.made) == 1


def test_come_again_by_tcp() -> None:
    query = dns.message.make_query("edge.example.com", "A").to_wire()
    short = truncated(query)
    assert short is not None
    assert len(short) <= len(query)
    found = dns.message.from_wire(short)
    assert found.flags & dns.flags.TC
    assert truncated(b"x") is None
    assert truncated(short) is None


@given(st.binary(max_size=200), st.booleans())
def test_noise(data: bytes, is_udp: bool) -> None:
    reply = answer(data, SENDER, picture(), is_udp=is_udp)
    assert reply is None or isinstance(reply, Reply)


@given(st.data())
def test_a_query_with_bytes_changed(data: st.DataObject) -> None:
    subnet = dns.edns.ECSOption("198.51.100.0", 24)
    wire = bytearray(dns.message.make_query("edge.example.com", "A", use_edns=0, options=[subnet]).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reply = answer(bytes(wire), SENDER, picture(), is_udp=True)
    assert reply is None or len(reply.wire) <= 1232


def test_limits() -> None:
    one, other = ip_address("192.0.2.1"), ip_address("2001:db8::1")
    limits = Limits(2.0, 0.0)
    assert [limits.judge(one, 0.0) for _ in range(4)] == [Verdict.ANSWER] * 4
    assert [limits.judge(ip_address("192.0.2.200"), 0.0) for _ in range(3)] == [
        Verdict.TRUNCATE,
        Verdict.DROP,
        Verdict.TRUNCATE,
    ]
    assert limits.judge(other, 0.0) is Verdict.ANSWER
    assert limits.judge(one, 0.5) is Verdict.ANSWER
    assert all(Limits(0.0, 0.0).judge(one, 0.0) is Verdict.ANSWER for _ in range(100))


def test_all_together_are_limited_and_forgotten() -> None:
    limits = Limits(1.0, 0.0)
    verdicts = [limits.judge(ip_address(n << 8), 0.0) for n in range(int(2 * ALL) + 5)]
    assert verdicts == [Verdict.ANSWER] * int(2 * ALL) + [Verdict.DROP] * 5
    wide = Limits(10.0**6, 0.0)
    for n in range(MOST + 10):
        wide.judge(ip_address(n << 8), 0.0)
    assert len(wide._networks) == MOST


def test_replies_are_counted() -> None:
    registry = CollectorRegistry()
    DnsMetrics(registry).count("udp", "NOERROR")
    labels = {"transport": "udp", "code": "NOERROR"}
    assert registry.get_sample_value("farline_dns_replies_total", labels) == 1.0


def test_the_zone_as_a_file() -> None:
    found = records(ZONE, NOTES, None, 9)
    text = bind(ZONE, found)
    assert text.startswith("$ORIGIN edge.example.com.\n$TTL 20\n@ ")
    at = [each["data"] for each in found if each["name"] == "@"]
    assert at[1:] == ["ns1.example.com.", "ns2.example.com.", "203.0.113.1", "203.0.113.2", "2001:db8::1"]
    assert {"name": "sz-1", "ttl": 20, "type": "A", "data": "203.0.113.3", "node": "sz_1"} in found
    inside = Zone("edge.example.com", ("bj-1.edge.example.com", "edge.example.com"))
    assert records(inside, NOTES, None, 9)
    with pytest.raises(NoAddress, match="ns1"):
        records(Zone("edge.example.com", ("ns1.edge.example.com",)), NOTES, None, 9)
    assert Zone("a.b", ("c.d",), "e.f").mailbox == "e.f"
