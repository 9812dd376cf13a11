"""The relay role: requests of edges, which come as streams of sessions, executed at most once at the providers.

node.py         composition root: `farline relay`
service.py      Service: takes sessions' new streams, knows what is executing, joins and replays
inlet.py        one stream: an edge's request comes in by it, the reply leaves by it
execution.py    one request at a provider: connection, body, reply, safe redials, who waits for it
following.py    a client comes back for a stream that another request began: what is kept of it, and what comes
means.py        what all executions use
conversation.py the same after an upgrade: a WebSocket whose provider's end is here

egress.py       where requests may go, and what their heads become (pure)
kept.py         replies kept until the edge has them, within a bound (pure)
quotas.py       what an edge may use (pure)
record.py       everything known about one execution
metrics.py      what the relay counts
admin.py        the admin listener: healthz, readyz, metrics, sessions
"""
