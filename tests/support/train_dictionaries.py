"""Makes `transport/session/events/dictionaries`: `python -m tests.support.train_dictionaries [--check]`.

From made-up streams, requests and heads only (`tests/data/corpus`); equal inputs give equal files. With --check nothing
is written: it says whether the files are what this would make, and fails if not.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from random import Random

import zstandard

from tests.support import event_streams
from tests.support.requests import BODIES, Writer, request_head, response_head
from transport.session.events.heads import split_request, split_response

FOLDER = Path(__file__).resolve().parents[2] / "transport" / "session" / "events" / "dictionaries"
EVENT_BYTES = 3834
"""What deflate with a window of 2^12 can use."""
BODY_BYTES = 16 * 1024
HEAD_BYTES = 6 * 1024
SAMPLES = 600


def events() -> bytes:
    """The events of a stream that come once, of each vendor; what is nearest to its end costs least to refer to."""
    random = Random("events")
    kept: list[bytes] = []
    for make in (event_streams.gemini, event_streams.responses, event_streams.messages, event_streams.chat):
        stream = make(random, ["Hello"])
        if make is event_streams.responses:  # the second and the last repeat the first
            stream = [stream[0][:900], *stream[2:-1], b'event: response.completed\ndata: {"type":"response.completed",']
        kept += stream
    return b"".join(kept)[-EVENT_BYTES:]


def trained(size: int, samples: list[bytes]) -> bytes:
    return zstandard.train_dictionary(size, samples, k=512, d=8, level=3).as_bytes()


def dictionaries() -> dict[str, bytes]:
    made = {"events-1": events()}
    for kind, make in BODIES.items():
        writer = Writer(f"train {kind}")
        made[f"{kind}-1"] = trained(BODY_BYTES, [make(writer) for _ in range(SAMPLES)])
    writer = Writer("train heads")
    samples = [split_request(request_head(writer, kind))[0] for kind in BODIES for _ in range(SAMPLES // 4)]
    samples += [split_response(response_head(writer, kind))[0] for kind in BODIES for _ in range(SAMPLES // 4)]
    made["heads-1"] = trained(HEAD_BYTES, samples)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    differ = []
    for name, made in dictionaries().items():
        path = FOLDER / f"{name}.dict"
        same = path.exists() and path.read_bytes() == made
        print(
            f"{name:12} {len(made):6} bytes  {hashlib.sha256(made).hexdigest()[:16]}  {'same' if same else 'differs'}"
        )
        differ += [] if same else [name]
        if not asked.check:
            path.write_bytes(made)
    if asked.check and differ:
        raise SystemExit(f"not what is shipped: {', '.join(differ)}")


if __name__ == "__main__":
    main()
