"""The link model: pure, seeded, no clock.

conditions.py   what one direction does: delay, jitter, loss, bursts, rate, MTU, policing…; Profile = up and down
event.py        blackhole, flap, brown-out, RTT step, …: conditions bent for a while
chance.py       the n-th draw of a named stream as a function: why a seed replays the same drops
loss.py, jitter.py, queue.py     the parts
lane.py         one direction: packet in → deliveries out
link.py         both directions, events and traces on one time axis
stream.py       a TCP byte stream over a lane, for relays that don't see packets
reading.py      all of this from TOML tables and JSON objects
"""

from netem.link.conditions import Bursts, Conditions, PacketBursts, Police, Profile
from netem.link.event import Direction, Event
from netem.link.lane import Delivery, Lane, Tally
from netem.link.link import Link

__all__ = [
    "Bursts",
    "Conditions",
    "Delivery",
    "Direction",
    "Event",
    "Lane",
    "Link",
    "PacketBursts",
    "Police",
    "Profile",
    "Tally",
]
