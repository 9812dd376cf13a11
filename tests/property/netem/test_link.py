"""What holds for every line, whatever its settings."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from netem.link.conditions import Bursts, Conditions, PacketBursts, Police, Profile
from netem.link.event import KINDS, Event
from netem.link.link import Link
from netem.link.reading import plain_profile, read_profile
from netem.link.stream import Stream

ratios = st.floats(0, 1)
small = st.floats(0, 300)
bursts = st.builds(
    Bursts, st.floats(0.01, 0.9), st.floats(1, 500), ratios, st.floats(0, 0.9), st.sampled_from(["", "g"])
)
conditions = st.builds(
    Conditions,
    delay_ms=small,
    jitter_ms=small,
    jitter_corr_ms=st.sampled_from([0.0, 1.0, 100.0]),
    jitter_shape=st.sampled_from(["normal", "pareto"]),
    ordered=st.booleans(),
    loss=ratios,
    bursts=st.lists(bursts, max_size=2).map(tuple),
    packet_bursts=st.none() | st.builds(PacketBursts, ratios, ratios, ratios, ratios),
    reorder=ratios,
    duplicate=ratios,
    corrupt=ratios,
    rate_mbit=st.sampled_from([0.0, 0.1, 10.0]),
    queue_bytes=st.integers(1, 100_000),
    mtu=st.sampled_from([0, 500, 1400]),
    udp_blocked=st.booleans(),
    udp_police=st.none() | st.builds(Police, st.floats(0.1, 10)),
)
profiles = st.builds(Profile, conditions, conditions)
events = st.lists(
    st.builds(
        Event,
        st.sampled_from(sorted(KINDS)),
        st.floats(0, 3),
        st.floats(0.01, 3),
        st.sampled_from(["both", "up", "down"]),
    ),
    max_size=3,
)
flows = st.sampled_from([b"\x06a", b"\x11a", b"\x11b", b""])
packets = st.lists(
    st.tuples(st.sampled_from(["up", "down"]), st.integers(1, 1500), flows, st.floats(0, 0.2)), max_size=60
)


def fates(link: Link, offered) -> list:
    now, out = 0.0, []
    for direction, size, flow, gap in offered:
        now += gap
        out.append((now, link.offer(direction, size, flow, now)))
    return out


def link(profile: Profile, seed: int, happening: list[Event]) -> Link:
    made = Link(profile, seed)
    made.add(happening)
    return made


@settings(deadline=None, max_examples=60)
@given(profiles, st.integers(0, 9), events, packets)
def test_same_seed_same_fate(profile, seed, happening, offered) -> None:
    assert fates(link(profile, seed, happening), offered) == fates(link(profile, seed, happening), offered)


@settings(deadline=None, max_examples=60)
@given(profiles, events, packets)
def test_nothing_is_created_and_nothing_forgotten(profile, happening, offered) -> None:
    made = link(profile, 1, happening)
    all_fates = fates(made, offered)
    for direction in ("up", "down"):
        tally = made.lane(direction).tally
        mine = [fate for (way, *_), (_, fate) in zip(offered, all_fates, strict=True) if way == direction]
        gone = tally.lost + tally.overflowed + tally.policed + tally.blocked + tally.oversized
        assert tally.offered == len(mine) == tally.passed + gone
        assert tally.passed == sum(bool(fate) for fate in mine)
        assert tally.duplicated == sum(len(fate) == 2 for fate in mine)


@settings(deadline=None, max_examples=60)
@given(profiles, events, packets)
def test_nothing_arrives_before_it_was_sent(profile, happening, offered) -> None:
    assert all(delivery.at >= now for now, fate in fates(link(profile, 1, happening), offered) for delivery in fate)


@settings(deadline=None, max_examples=60)
@given(conditions, packets)
def test_an_ordered_lane_keeps_the_order(drawn, offered) -> None:
    ordered = replace(drawn, ordered=True, reorder=0.0)
    made = Link(Profile(ordered, ordered), 1)
    all_fates = fates(made, offered)
    for direction in ("up", "down"):
        times = [
            fate[0].at for (way, *_), (_, fate) in zip(offered, all_fates, strict=True) if way == direction and fate
        ]
        assert times == sorted(times)


@settings(deadline=None, max_examples=60)
@given(profiles)
def test_a_profile_survives_being_written_down(profile) -> None:
    assert read_profile(plain_profile(profile), Profile(Conditions(), Conditions())) == profile


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 0.6), small, st.binary(max_size=20_000), st.lists(st.integers(1, 5000), max_size=10))
def test_a_stream_delivers_every_byte_in_order(loss, delay_ms, data, cuts) -> None:
    lossy = Conditions(delay_ms=delay_ms, loss=loss)
    line = Stream(Link(Profile(lossy, lossy), 1), "up")
    now, start = 0.0, 0
    for cut in [*cuts, len(data)]:
        line.push(data[start : start + cut], now)
        start, now = start + cut, now + 0.01
    out = []
    while (now := line.timer()) < float("inf"):
        out += line.poll(now)
    assert b"".join(out) == data
    assert line.bytes_inside == 0
