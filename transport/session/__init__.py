"""Edge–relay sessions: streams over several lines at once, which a bad or dying line cannot hurt.

    SPEC.md         the wire protocol
    values.py       words, configuration, events
    frames.py       what the ends say to each other
    wire.py         packets and frames ↔ bytes

    core.py         SessionCore, sans-IO: what a shell drives; both roles
    live.py         the same as its users see it, through the shell: LiveSession, StreamSink, SessionListener
    table.py        SessionTable: which session a carrier joins, at a relay
    once.py         OnceTable: request ids are executed at most once

    streams.py      all streams of a session      stream.py    one of them, and when it repeats itself
    send_log.py     bytes until acknowledged      receive_log.py   segments → bytes in order
    messages.py     droppable messages            control.py   frames that must arrive
    flow.py         the session's credit          ranges.py    sets of intervals

    scheduler.py    which bytes over which carriers in which packet
    carrier.py      one carrier: whether it is heard, its budget
    belief.py       what arrived over carriers, what is lost, who is suspect
    traffic.py      bytes that carriers took over one line, by cause
    acks.py         packet numbers, round trips, loss
    risk.py         what lines lose, and so what repeating is worth
    repeats.py      the timer of the repeats

    records.py      requests and replies as the bytes of a stream: record_writers.py, record_readers.py
    sockets.py      a WebSocket at the edge ↔ Frames
    lateness.py     how late a reply's parts come, from the relay's stamps
    keys.py         node keys and their fingerprints
    setup.py        what the ends of a carrier's TLS connection say beside packets
    seal.py         packets in encrypted datagrams
    pacing.py       how fast bulk goes over a carrier
    qlog.py         packets and beliefs of a core, written down while somebody wants them
    racing.py       datagrams or TLS? line by line

    aio/            the shells: sockets, TLS, the edge's link and the relay's server
    events/         replies' events, requests and heads made small

Everything but `aio` is pure: time is an argument, ids and tokens are given. Carriers encrypt and authenticate.
"""
