"""A block of cells as bytes and back: MessagePack, then deflate. A row of the journal is one second of all subjects."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

from edge.history.cell import Cell

_CELLS = msgspec.msgpack.Decoder(dict[int, Cell])
_SECOND = msgspec.msgpack.Decoder(dict[str, Cell])
_ENCODER = msgspec.msgpack.Encoder()


class Damaged(ValueError):
    """These bytes are no block."""


def encode(cells: Mapping[int, Cell]) -> bytes:
    """`cells` by their number in the block."""
    return zlib.compress(_ENCODER.encode(cells), 1)


def decode(data: bytes) -> dict[int, Cell]:
    """Raises Damaged."""
    try:
        return _CELLS.decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise Damaged(str(error)) from None


def encode_second(cells: Mapping[str, Cell]) -> bytes:
    """`cells` by subject."""
    return zlib.compress(_ENCODER.encode(cells), 1)


def decode_second(data: bytes) -> dict[str, Cell]:
    """Raises Damaged."""
    try:
        return _SECOND.decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise Damaged(str(error)) from None
