"""Conditions as `tc` commands (tc-netem(8), tc-tbf(8)), and what they can't say. Argument lists only."""

from netem.link.conditions import Conditions

_LIMIT_PACKETS = 100_000


def beyond_tc(conditions: Conditions) -> tuple[str, ...]:
    """The settings that `sch_netem` and `sch_tbf` can't do, by name. Empty: `tc_commands` says it all."""
    c = conditions
    lacking = {
        "bursts": bool(c.bursts),
        "loss beside packet_bursts": bool(c.loss and c.packet_bursts),
        "reorder": bool(c.reorder),
        "jitter_corr_ms": bool(c.jitter_ms and c.jitter_corr_ms),
        "ordered jitter": bool(c.jitter_ms and c.ordered),
        "mtu": bool(c.mtu),
        "udp_blocked": c.udp_blocked,
        "udp_police": c.udp_police is not None,
        "tcp_reset": c.tcp_reset,
    }
    return tuple(name for name, is_lacking in lacking.items() if is_lacking)


def needs_netem(conditions: Conditions) -> bool:
    """True if `sch_tbf` alone isn't enough."""
    c = conditions
    return bool(c.delay_ms or c.jitter_ms or c.loss or c.packet_bursts or c.duplicate or c.corrupt)


def tc_commands(device: str, conditions: Conditions) -> list[list[str]]:
    """What to run, after "tc", to put `conditions` in force on what leaves `device`.

    Raises ValueError naming the settings tc doesn't have.
    """
    if lacking := beyond_tc(conditions):
        raise ValueError(f"tc can't do {', '.join(lacking)}: use the tun backend")
    parent = ["root", "handle", "1:"]
    commands: list[list[str]] = []
    if needs_netem(conditions):
        commands.append(["qdisc", "replace", "dev", device, *parent, "netem", *_netem_words(conditions)])
        parent = ["parent", "1:1", "handle", "2:"]
    if conditions.rate_mbit:
        commands.append(["qdisc", "replace", "dev", device, *parent, "tbf", *_tbf_words(conditions)])
    return commands or [["qdisc", "replace", "dev", device, "root", "pfifo"]]


def _netem_words(c: Conditions) -> list[str]:
    words = ["limit", str(_LIMIT_PACKETS), "delay", f"{c.delay_ms:g}ms"]
    if c.jitter_ms:
        words += [f"{c.jitter_ms:g}ms", "distribution", c.jitter_shape]
    if c.packet_bursts:
        chain = c.packet_bursts
        ratios = (chain.enter, chain.leave, chain.bad_loss, chain.good_loss)
        words += ["loss", "gemodel", *(_percent(ratio) for ratio in ratios)]
    elif c.loss:
        words += ["loss", "random", _percent(c.loss)]
    for name, ratio in (("duplicate", c.duplicate), ("corrupt", c.corrupt)):
        if ratio:
            words += [name, _percent(ratio)]
    return words


def _tbf_words(c: Conditions) -> list[str]:
    # One timer tick's worth of bytes, else the configured rate isn't reached (tc-tbf(8)); never below one packet.
    burst = max(3_000, int(c.rate_mbit * 125_000 / 250))
    return ["rate", f"{c.rate_mbit:g}mbit", "burst", str(burst), "limit", str(c.queue_bytes + burst)]


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.6g}%"
