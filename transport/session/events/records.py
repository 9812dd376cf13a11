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
MAX_EVENT_BYTES = 4096
"""What a record may restore by a template: for each of its bytes no more than 2 KiB."""
MAX_RECORD_BYTES = 64 * 1024
"""What another record may restore."""
MAX_DIGITS = 17
"""Differences are told of numbers up to this length."""
_LONG = 16
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
    """One slot's header and bytes, told by its value `before` where that is shorter: as the same, as a difference of
    numbers, as what follows an equal beginning."""
    if value == before:
        return _SAME
    length = len(value)
    if before.isdigit() and value.isdigit() and length <= MAX_DIGITS and _is_plain(before) and value[0] != 0x30:
        step = int(value) - int(before)
        return integer(step << 3 | 1 if step > 0 else ~step << 3 | 5)
    if length < _LONG:
        return _BYTES[length << 1] + value
    equal = _equal_bytes(value, before)
    if equal >= _LONG >> 1:
        return integer(equal << 2 | 3) + integer(length - equal) + value[equal:]
    return integer(length << 1) + value


def read_slot(data: bytes, at: int, before: bytes) -> tuple[bytes, int]:
    """The slot's value and where it ends. IndexError: more bytes are needed. CorruptEvents: no such value."""
    header = data[at]
    if header < 0x80:
        at += 1
    else:
        header, at = read_integer(data, at)
    if not header & 1:
        return _bytes(data, at, header >> 1)
    if header == 1:
        return before, at
    if header & 2:
        size, at = read_integer(data, at)
        value, at = _bytes(data, at, size)
        if header >> 2 > len(before):
            raise CorruptEvents("more of a value than it had")
        return before[: header >> 2] + value, at
    if not before.isdigit() or not _is_plain(before):
        raise CorruptEvents("a difference to what is no number")
    step = header >> 3
    number = int(before) + (~step if header & 4 else step)
    if not 0 <= number < 10**MAX_DIGITS:
        raise CorruptEvents("a number out of range")
    return b"%d" % number, at


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > MAX_RECORD_BYTES:
        raise CorruptEvents("a slot longer than a record may be")
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def _equal_bytes(one: bytes, other: bytes) -> int:
    """How many bytes they begin alike with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) >> 1
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_plain(digits: bytes) -> bool:
    """Does the number restore these very digits?"""
    return (digits[0] != 0x30 and len(digits) <= MAX_DIGITS) or digits == b"0"


_BYTES = tuple(bytes((value,)) for value in range(256))
_SAME = b"\x01"
