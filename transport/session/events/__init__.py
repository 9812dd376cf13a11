"""Byte streams, requests and heads made small for the long way, and restored exactly. The format is in FORMAT.md.

    encoder.py       EventEncoder: a reply's bytes, chunk by chunk → compact records, each chunk at once
    decoder.py       EventDecoder: records, however cut → the same bytes, or CorruptEvents
    records.py       the records' codes and limits, integers, slot values, CorruptEvents
    templates.py     what equal events have in common: found at the encoder, kept at both
    deflate.py       raw deflate with a flush per record, made when needed, dropped when not
    bodies.py        BodyEncoder, BodyDecoder: request bodies, zstd with a trained dictionary
    frames.py        one zstd frame, read within a limit
    heads.py         heads of requests and replies; credentials stay outside the compression
    dictionaries.py  the dictionaries that are part of the format

Nothing is shared between streams but the dictionaries, which hold only made-up text. Pure: no clock, no chance.
"""
