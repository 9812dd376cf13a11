"""The same seed, the same drops: also when lab time begins anew."""

from __future__ import annotations

import socket
import time

from netem.aio.lab import Lab
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario

PACKETS = 300


def _fates(lab: Lab) -> set[int]:
    """Which of the numbered packets came."""
    with lab.inside("far"):
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with lab.inside("edge"):
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with far, near:
        far.bind((lab.address("provider"), 7000))
        far.settimeout(0.5)
        near.bind((lab.address("edge", "line"), 0))
        for number in range(PACKETS):
            near.sendto(number.to_bytes(4), (lab.address("provider"), 7000))
            time.sleep(0.0003)
        came = set()
        try:
            while True:
                came.add(int.from_bytes(far.recv(100)))
        except TimeoutError:
            return came


def _lab(seed: int) -> Lab:
    return Lab(Scenario((LineSpec("line", profile("grid-15")),), seed=seed))


def test_the_same_seed_replays_the_same_drops() -> None:
    with _lab(7) as lab:
        first = _fates(lab)
        lab.restart()
        again = _fates(lab)
    with _lab(7) as lab:
        elsewhere = _fates(lab)
    with _lab(8) as lab:
        other = _fates(lab)
    assert first == again == elsewhere
    assert other != first
    assert 0.7 * PACKETS < len(first) < PACKETS
