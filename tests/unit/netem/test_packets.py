from struct import pack, unpack_from

import pytest

from netem.packets import ICMP, TCP, UDP, Nat, checksum, datagram, flip_bit, flow_of, resets, too_big, with_port

A, B = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


def udp(source: bytes, target: bytes, sport: int, dport: int, payload: bytes, *, is_checked: bool = True) -> bytes:
    length = 8 + len(payload)
    header = pack("!HHHH", sport, dport, length, 0)
    check = checksum(source + target + pack("!BBH", 0, UDP, length) + header + payload) or 0xFFFF
    return datagram(UDP, source, target, pack("!HHHH", sport, dport, length, check if is_checked else 0) + payload)


def tcp(flags: int, payload: bytes = b"", *, seq: int = 1000, ack: int = 2000) -> bytes:
    return datagram(TCP, A, B, pack("!HHIIBBHHH", 5000, 443, seq, ack, 5 << 4, flags, 0, 0, 0) + payload)


def is_udp_checksum_right(packet: bytes) -> bool:
    return checksum(packet[12:20] + pack("!BBH", 0, UDP, len(packet) - 20) + packet[20:]) == 0


def test_the_checksum_of_the_rfc() -> None:
    assert checksum(bytes([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7])) == 0x220D
    assert checksum(b"\x01") == checksum(b"\x01\x00")


def test_a_datagram_has_a_right_header() -> None:
    packet = datagram(UDP, A, B, b"12345678")
    assert checksum(packet[:20]) == 0
    assert unpack_from("!H", packet, 2)[0] == len(packet) == 28


def test_flows_differ_by_protocol_addresses_and_ports() -> None:
    flows = {
        flow_of(udp(A, B, 1, 2, b"x")),
        flow_of(udp(B, A, 1, 2, b"x")),
        flow_of(udp(A, B, 1, 3, b"x")),
        flow_of(tcp(0x10)),
        flow_of(datagram(ICMP, A, B, b"12345678")),
    }
    assert len(flows) == 5
    assert flow_of(udp(A, B, 1, 2, b"x")) == flow_of(udp(A, B, 1, 2, b"something else"))
    assert {flow[0] for flow in flows} == {UDP, TCP, ICMP}


def test_a_flow_of_ipv6() -> None:
    packet = bytes([0x60, 0, 0, 0, 0, 8, UDP, 64]) + bytes(range(32)) + pack("!HH", 7, 8) + b"rest"
    assert flow_of(packet) == bytes([UDP]) + bytes(range(32)) + pack("!HH", 7, 8)


def test_one_bit_is_flipped_and_no_other() -> None:
    assert flip_bit(b"\x00\x00", 9) == b"\x00\x02"
    assert flip_bit(flip_bit(b"abc", 5), 5) == b"abc"


def test_resets_to_both_ends() -> None:
    forged = resets(tcp(0x18, b"payload"))
    assert forged is not None
    onward, back = forged
    assert (onward[12:16], onward[16:20]) == (A, B)
    assert (back[12:16], back[16:20]) == (B, A)
    assert unpack_from("!HHII", onward, 20)[:3] == (5000, 443, 1000)
    assert unpack_from("!HHII", back, 20) == (443, 5000, 2000, 1007)
    assert (onward[33], back[33]) == (0x04, 0x14)
    for packet in forged:
        assert checksum(packet[12:20] + pack("!BBH", 0, TCP, 20) + packet[20:]) == 0


def test_a_syn_counts_as_one_byte() -> None:
    forged = resets(tcp(0x02))
    assert forged is not None
    assert unpack_from("!I", forged[1], 28)[0] == 1001


@pytest.mark.parametrize(
    "packet",
    [
        tcp(0x04),
        udp(A, B, 1, 2, b"x" * 30),
        tcp(0x10)[:30],
        tcp(0x10)[:6] + b"\x00\x10" + tcp(0x10)[8:],
        b"\x60" + tcp(0x10)[1:],
    ],
)
def test_nothing_else_is_reset(packet) -> None:
    assert resets(packet) is None


def test_too_big_quotes_the_packet_to_its_sender() -> None:
    packet = udp(A, B, 1, 2, b"x" * 1450)
    notice = too_big(packet, 1400)
    assert notice is not None
    assert (notice[9], notice[12:16], notice[16:20]) == (ICMP, B, A)
    assert unpack_from("!BB2xHH", notice, 20) == (3, 4, 0, 1400)
    assert notice[28:] == packet[:28]
    assert checksum(notice[20:]) == 0
    assert too_big(b"\x60" + packet[1:], 1400) is None


@pytest.mark.parametrize("port", [0, 1, 80, 443, 30_000, 65_535])
def test_another_port_keeps_the_checksum_right(port) -> None:
    packet = with_port(udp(A, B, 40_000, 443, b"payload"), 0, port)
    assert unpack_from("!H", packet, 20)[0] == port
    assert is_udp_checksum_right(packet)


def test_no_checksum_stays_none() -> None:
    assert unpack_from("!H", with_port(udp(A, B, 1, 2, b"x", is_checked=False), 2, 9), 26)[0] == 0


def test_nothing_is_translated_before_the_first_rebind() -> None:
    nat, packet = Nat(), udp(A, B, 40_000, 443, b"x")
    assert nat.outward(packet) is packet
    assert nat.inward(packet) is packet


def test_a_rebind_changes_the_outside_port_and_kills_the_old_one() -> None:
    nat = Nat()
    outside = []
    for generation in (1, 2):
        nat.rebind(generation)
        out = nat.outward(udp(A, B, 40_000, 443, b"x"))
        assert is_udp_checksum_right(out)
        outside.append(unpack_from("!H", out, 20)[0])
        back = nat.inward(udp(B, A, 443, outside[-1], b"y"))
        assert back is not None
        assert unpack_from("!H", back, 22)[0] == 40_000
        assert is_udp_checksum_right(back)
    assert len({40_000, *outside}) == 3
    assert nat.inward(udp(B, A, 443, outside[0], b"y")) is None
    assert nat.inward(udp(B, A, 443, 40_000, b"y")) is None


def test_only_udp_is_translated() -> None:
    nat = Nat()
    nat.rebind(1)
    assert nat.outward(tcp(0x10)) == tcp(0x10)
    assert nat.inward(tcp(0x10)) == tcp(0x10)


def test_a_port_that_would_become_zero_is_kept() -> None:
    nat = Nat()
    nat.rebind(1)
    out = nat.outward(udp(A, B, 0x155, 443, b"x"))
    assert unpack_from("!H", out, 20)[0] == 0x155
