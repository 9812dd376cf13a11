"""What the vendors' APIs look like. All pure: bytes in, values out.

facts.py        the seam: Facts, Usage, Meter, Dialect
routes.py       provider prefix, unified routes: which dialect is this?

openai.py       /v1/… of OpenAI and the many servers that speak like it
azure.py        the same under Azure's paths and keys
anthropic.py    /v1/messages…
gemini.py       /v1beta/… and /v1/models/{model}:method
generic.py      any other HTTPS API

request.py      path, query, SDK headers and body fields of a request
json_scan.py    members of a JSON text that may be cut anywhere
sse.py          event boundaries, and the few events that matter (hot path)
meters.py       JSON documents, event streams, compressed replies
inflate.py      a decompressed copy for the meter
ending.py       how a whole reply ended: an error, a limit, tool calls
usage.py        the vendors' token counts as one Usage
rename.py       a model's upstream name put into a request
errors.py       Failure → status, type and headers that the SDKs obey
credentials.py  where keys stand, out and in

forms/          a stored stream as a document, and the other way round
translate/      other dialects for engines that have only chat completions
"""

from __future__ import annotations

from edge.dialects.anthropic import Anthropic
from edge.dialects.azure import Azure
from edge.dialects.facts import Dialect
from edge.dialects.gemini import Gemini
from edge.dialects.generic import Generic
from edge.dialects.openai import OpenAI

_DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAI(), Anthropic(), Gemini(), Azure(), Generic())
}

NAMES = frozenset(_DIALECTS)


def by_name(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        KeyError: there is none; `NAMES` has all that are.
    """
    return _DIALECTS[name]
