"""The record format's codes, limits and small parts (FORMAT.md tells it whole)."""

from __future__ import annotations

VERSION = 1
"""First byte of every stream. The event dictionary is part of the version."""

TEXT_END = 0x80
"""Codes below: the current template again; the code is the length of its first slot, whose bytes follow."""
EVENT = 0x80
"""+ template: all its slots follow, each with a header."""
DEFINE = 0x90
"""+ template: it is cut out of the end of the previous record's bytes. Restores nothing."""
SQUEEZED = 0xA0
"""+ template: length, then the slots as in EVENT, deflated."""
LITERAL = 0xB0
DEFLATE = 0xB1
FRESH = 0xB2
"""Drops the deflate context; the next deflated record begins a new one. Restores nothing."""
END = 0xB3
"""CRC-32 of all restored bytes, 4 bytes big-endian. Nothing may follow."""

TEMPLATES = 16
MAX_SLOTS = 32
MAX_UNIT_BYTES = 2048
"""The longest event that a template is cut out of: templates of one stream hold at most 32 KiB."""
MAX_RECORD_BYTES = 64 * 1024
"""What a record may restore beside a template's own bytes."""
MAX_DIGITS = 18
_MAX_INTEGER_BYTES = 9


class CorruptEvents(Exception):
    """The peer's records break the format, its limits or their checksum; the stream can't be restored any further."""


def integer(value: int) -> bytes:
    """Unsigned LEB128: 7 bits a byte, least first, the top bit set on all but the last."""
    if value < 0x80:
        return _BYTES[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_integer(data: bytes, at: int) -> tuple[int, int]:
    """The integer at `at` and where it ends. IndexError: more bytes are needed. CorruptEvents: longer than 63 bits."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for count in range(1, _MAX_INTEGER_BYTES):
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise CorruptEvents("an integer of more than 63 bits")


def slot(value: bytes, before: bytes) -> bytes:
    """One slot's header and bytes: as a difference to its value `before` if both are numbers, else as it is."""
    if value == before:
        return _SAME
    if before.isdigit() and value.isdigit() and _is_plain(value) and _is_plain(before):
        step = int(value) - int(before)
        return integer(step << 2 | 1 if step > 0 else ~step << 2 | 3)
    length = len(value)
    return (_BYTES[length << 1] if length < 64 else integer(length << 1)) + value


def read_slot(data: bytes, at: int, before: bytes) -> tuple[bytes, int]:
    """The slot's value and where it ends. IndexError: more bytes are needed. CorruptEvents: no such value."""
    header = data[at]
    if header < 0x80:
        at += 1
    else:
        header, at = read_integer(data, at)
    if not header & 1:
        end = at + (header >> 1)
        if end > len(data):
            if header >> 1 > MAX_RECORD_BYTES:
                raise CorruptEvents("a slot longer than a record may be")
            raise IndexError
        return data[at:end], end
    if header == 1:
        return before, at
    if not before.isdigit() or not _is_plain(before):
        raise CorruptEvents("a difference to what is no number")
    step = header >> 2
    value = int(before) + (~step if header & 2 else step)
    if value < 0 or value >= 10**MAX_DIGITS:
        raise CorruptEvents("a number out of range")
    return b"%d" % value, at


def _is_plain(digits: bytes) -> bool:
    """Does the number restore these very digits?"""
    return digits[0] != 0x30 and len(digits) <= MAX_DIGITS or digits == b"0"


_BYTES = tuple(bytes((value,)) for value in range(256))
_SAME = b"\x01"
