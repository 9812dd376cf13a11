"""Getting bytes to a far end and back over a chosen line.

    failure.py      what went wrong, whose fault, may it be sent again
    message.py      heads and hop-by-hop rules
    path.py         Line, Target, Path: values that say where
    exchange.py     Connection / Exchange / ResponseSink: the seam above every protocol
    sample.py       what a connection in use tells of its line: TCP_INFO, QUIC's figures
    connector.py    Connector: what the edge asks of the pools; TransportObserver: what it hears back

    dns.py          names: fresh, failed and stale answers
    eyeballs.py     Happy Eyeballs: which address, when
    fallback.py     which HTTP version, after what happened
    proxying.py     CONNECT and SOCKS5 handshakes
    dialing.py      what a failed dial means
    h1.py           HTTP/1.1 bytes
    http2.py        HTTP/2 client protocol (on h2): its GOAWAY mended, short ways for heads and bodies
    http3.py        HTTP/3 client protocol (on aioquic): receive windows that stand still for paused streams
    reply.py        the rules every multiplexed reply keeps: lengths, trailers, verdicts
    congestion.py   rate-based congestion control for QUIC on lossy lines
    flood.py        frames that cost work and bring nothing
    pool.py         which connection, when to grow, what to retire

    session/        between an edge and a relay: streams over several lines at once

Pure modules stand at this level; everything that touches asyncio, sockets, ssl or clocks lives in `transport.aio`.
"""
