"""A fake LLM provider to test and demonstrate against.

sim.py        how one request is to be answered: pace, size, fault (`x-sim`)          (pure)
request.py    one request as the provider sees it                                     (pure)
reply.py      one answer before its pace: head, opening, tokens, closing              (pure)
script.py     reply + sim → timed steps; every fault lives here                       (pure)
routes.py     path → API                                                              (pure)
openai.py responses.py anthropic.py gemini.py files.py   the APIs' shapes             (pure)
live.py       OpenAI Realtime and Gemini Live: message → messages                     (pure)
ledger.py     what was asked and what was executed; per-source fault rules            (pure)
aio/          the servers: HTTP/1.1, HTTP/2, HTTP/3, WebSocket, control plane         (shell)

Embedded in a test:

    async with FakeProvider(tls=True) as provider:
        ...  # provider.url, provider.ca_file, provider.executions("id"), provider.log
"""

from netem.provider.aio.server import FakeProvider
from netem.provider.ledger import Ledger, Record
from netem.provider.sim import Sim

__all__ = ["FakeProvider", "Ledger", "Record", "Sim"]
