"""What is believed of a session's carriers: what arrived, what is lost, who is suspect. What is lost is sent again.

A carrier is suspect if it is silent while another one is heard; if all are, it is the peer, the network around us, or
we ourselves (`is_silent`).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import cast

from transport.session.acks import Sent
from transport.session.carrier import Carrier
from transport.session.frames import Ack
from transport.session.messages import Queued
from transport.session.scheduler import Scheduler
from transport.session.stream import StreamPart
from transport.session.streams import Streams
from transport.session.values import AllSilent, CarrierRelieved, CarrierSuspected, Role, Tally

JUDGED_EVERY = 0.02


class Belief:
    """Of one side. `doubt_at` is when to judge again."""

    def __init__(self, role: Role, scheduler: Scheduler, streams: Streams, tally: Tally) -> None:
        self.doubt_at = inf
        self.is_silent = False
        self._role = role
        self._scheduler = scheduler
        self._carriers = scheduler.carriers
        self._streams = streams
        self._tally = tally

    def joins(self, now: float) -> None:
        """Another carrier comes. If nothing good is known of the others, it gets all that is under way."""
        if self.is_silent:
            self._scheduler.duplicate_everything(now)
            for each in self._carriers.values():
                self._resend(each)

    def acknowledged(self, frame: Ack, carrier: Carrier, now: float) -> None:
        """An ACK came over `carrier`, of that one or of another."""
        about = carrier if frame.carrier == carrier.number else self._carriers.get(frame.carrier)
        if about is None:
            return
        acked = about.outgoing.acknowledge(frame, now, is_own=about is carrier)
        if not acked:
            return
        if self._role is Role.RELAY and not about.is_confirmed:
            about.confirm()
        for packet in acked:
            load = packet.load
            if load.has_arrived:
                continue
            load.has_arrived = True
            for part in load.parts:
                if len(part) == 4:
                    self._streams.on_acked(part, now)
                elif isinstance(part[0], Queued):
                    part[0].is_done = True
                else:
                    self._streams.control.ack(*part)
        self.give_up(about, now)

    def give_up(self, carrier: Carrier, now: float) -> None:
        """Packets of it that are lost by now."""
        lost = carrier.outgoing.find_lost(now)
        if lost:
            for packet in lost:
                self._scheduler.count_lost(packet.load)
            self.lose(lost)

    def lose(self, packets: Iterable[Sent]) -> None:
        """Sends again what was in these packets and has not been sent since."""
        streams = self._streams
        for packet in packets:
            if packet.load.has_arrived:
                continue
            for part in packet.load.parts:
                if len(part) == 4:
                    streams.on_lost(cast(StreamPart, part), packet.sent_time)
                elif isinstance(part[0], Queued):
                    part[0].is_due = True
                    streams.wake(part[1])
                else:
                    streams.control.lose(*part)

    def judge(self, now: float) -> None:
        """Suspects carriers that are silent while another one is heard. If all are, it is the peer, or we ourselves.

        When a carrier would be suspect moves with every packet: it is looked up here, and here again when that time has
        come or after `JUDGED_EVERY`, which is sooner than anything sent from now on can be doubted."""
        self.doubt_at = inf
        if not self._streams.live:
            self.is_silent = False
            for carrier in self._carriers.values():
                carrier.rest()
            return
        self.doubt_at = now + JUDGED_EVERY
        was_silent, self.is_silent = self.is_silent, True
        for carrier in self._carriers.values():
            if carrier.suspected_at is not None:
                continue
            doubted_at = carrier.doubted_at()
            if doubted_at > now:
                self.is_silent = False
                self.doubt_at = min(self.doubt_at, doubted_at)
            elif any(each.is_met and each.is_beating(now) for each in self._carriers.values() if each is not carrier):
                self._suspect(carrier, now)
        if self.is_silent and not was_silent:
            self._streams.events.append(AllSilent())

    def _suspect(self, carrier: Carrier, now: float) -> None:
        carrier.suspect(now)
        self._tally.suspicions += 1
        self._scheduler.changed()
        self._scheduler.duplicate_everything(now)
        self._resend(carrier)
        self._streams.events.append(CarrierSuspected(carrier.number, carrier.line))

    def _resend(self, carrier: Carrier) -> None:
        """What is under way on it may never arrive: once more, before anyone knows."""
        packets = carrier.outgoing.outstanding.values()
        for stream in {part[0] for packet in packets for part in packet.load.parts if len(part) == 4}:
            stream.covered_at = -inf
        self.lose(packets)

    def heard_again(self, carrier: Carrier, was_silent: bool, now: float) -> None:
        """A carrier of which nothing good was known is heard."""
        if was_silent and not any(c.is_heard(now) for c in self._carriers.values() if c is not carrier):
            for each in self._carriers.values():
                each.forgive(inf, now)
                self._resend(each)
        acked_at = carrier.outgoing.acked_at
        if carrier.suspected_at is not None and acked_at > carrier.suspected_at and now < carrier.doubted_at():
            seconds = carrier.relieve(now)
            self._scheduler.changed()
            self._streams.events.append(CarrierRelieved(carrier.number, carrier.line, seconds))
