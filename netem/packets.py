"""IP packets as bytes: which flow, and the few ways a line may answer or change them. IPv4; IPv6 passes unread."""

from struct import pack, pack_into, unpack_from

ICMP, TCP, UDP = 1, 6, 17
_RST_ACK = 0x14
_RST = 0x04
_RST_FLAG = 0x04


def flow_of(packet: bytes) -> bytes:
    """A key for the packet's 5-tuple that begins with the protocol number; fragments and oddities by addresses only."""
    if packet[0] >> 4 == 6:
        return packet[6:7] + packet[8:40] + packet[40:44]
    header = (packet[0] & 15) * 4
    return packet[9:10] + packet[12:20] + (packet[header : header + 4] if packet[9] in (TCP, UDP) else b"")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(unpack_from(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def flip_bit(packet: bytes, index: int) -> bytes:
    """The packet with bit `index` inverted."""
    changed = bytearray(packet)
    changed[index // 8] ^= 1 << (index % 8)
    return bytes(changed)


def datagram(protocol: int, source: bytes, target: bytes, payload: bytes) -> bytes:
    """An IPv4 packet around `payload`."""
    header = bytearray(pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source, target))
    pack_into("!H", header, 10, checksum(bytes(header)))
    return bytes(header) + payload


def resets(packet: bytes) -> tuple[bytes, bytes] | None:
    """RST for the receiver and for the sender of a TCP segment, as a middlebox forges them (RFC 9293 §3.10.7).

    None if the packet is no first fragment of IPv4 TCP or is itself a reset.
    """
    header = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != TCP or len(packet) < header + 20 or unpack_from("!H", packet, 6)[0] & 0x1FFF:
        return None
    sport, dport, seq, ack, offset, flags = unpack_from("!HHIIBB", packet, header)
    if flags & _RST_FLAG:
        return None
    source, target = packet[12:16], packet[16:20]
    length = len(packet) - header - (offset >> 4) * 4 + (flags & 1) + (flags >> 1 & 1)
    onward = _reset(source, target, sport, dport, seq, 0, _RST)
    back = _reset(target, source, dport, sport, ack, (seq + length) & 0xFFFFFFFF, _RST_ACK)
    return onward, back


def _reset(source: bytes, target: bytes, sport: int, dport: int, seq: int, ack: int, flags: int) -> bytes:
    segment = bytearray(pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 0, 0, 0))
    pseudo = source + target + pack("!BBH", 0, TCP, len(segment))
    pack_into("!H", segment, 16, checksum(pseudo + bytes(segment)))
    return datagram(TCP, source, target, bytes(segment))


def too_big(packet: bytes, mtu: int) -> bytes | None:
    """ICMP "fragmentation needed" (RFC 1191) to the packet's sender, from its target; None unless it is IPv4."""
    if packet[0] >> 4 != 4:
        return None
    quoted = packet[: (packet[0] & 15) * 4 + 8]
    message = bytearray(pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted)
    pack_into("!H", message, 2, checksum(bytes(message)))
    return datagram(ICMP, packet[16:20], packet[12:16], bytes(message))


def with_port(packet: bytes, at: int, port: int) -> bytes:
    """The UDP packet with another port at byte `at` of its UDP header; the checksum stays right (RFC 1624)."""
    header = (packet[0] & 15) * 4
    changed = bytearray(packet)
    (old,) = unpack_from("!H", packet, header + at)
    (check,) = unpack_from("!H", packet, header + 6)
    pack_into("!H", changed, header + at, port)
    if check:
        total = (~check & 0xFFFF) + (~old & 0xFFFF) + port
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        pack_into("!H", changed, header + 6, (~total & 0xFFFF) or 0xFFFF)
    return bytes(changed)


class Nat:
    """Port translation of the UDP flows of one line. Nothing is translated before the first `rebind`.

    After it every inside port looks another one from outside; packets to a port of before have no mapping and are lost.
    """

    __slots__ = ("_inside", "_mask", "generation")

    def __init__(self) -> None:
        self.generation = 0
        self._mask = 0
        self._inside: dict[int, int] = {}

    def rebind(self, generation: int) -> None:
        """Forget all mappings; the new ones differ from those of every other generation (of the first few dozen)."""
        self.generation = generation
        self._mask = generation * 0x0155 & 0x3FFF
        self._inside.clear()

    def outward(self, packet: bytes) -> bytes:
        """A packet from inside, with its source port as the outside sees it."""
        if not self._mask or not _is_udp(packet):
            return packet
        port = _port(packet, 0)
        outside = (port ^ self._mask) or port
        self._inside[outside] = port
        return with_port(packet, 0, outside)

    def inward(self, packet: bytes) -> bytes | None:
        """A packet from outside, with its target port as the inside knows it; None where there is no mapping."""
        if not self._mask or not _is_udp(packet):
            return packet
        port = self._inside.get(_port(packet, 2))
        return None if port is None else with_port(packet, 2, port)


def _port(packet: bytes, at: int) -> int:
    port: int = unpack_from("!H", packet, (packet[0] & 15) * 4 + at)[0]
    return port


def _is_udp(packet: bytes) -> bool:
    header = (packet[0] & 15) * 4
    is_first = packet[0] >> 4 == 4 and not unpack_from("!H", packet, 6)[0] & 0x1FFF
    return is_first and packet[9] == UDP and len(packet) >= header + 8
