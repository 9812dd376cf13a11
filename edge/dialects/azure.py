"""Azure OpenAI: OpenAI's shapes under `/openai/deployments/{deployment}/…?api-version=` and `/openai/v1/…`.

The deployment is the model. Keys travel in `api-key`, Entra ID tokens as bearer tokens.
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.dialects import credentials
from edge.dialects.facts import Facts
from edge.dialects.openai import OpenAI
from edge.dialects.request import query
from transport.message import Headers

_PREFIX = b"/openai/"
_DEPLOYMENTS = b"/openai/deployments/"


class Azure(OpenAI):
    """Azure's places for the model and the key; all else is OpenAI's."""

    name = "azure"

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        deployment, plain = _split(target)
        facts = super().facts(method, plain, headers, body, complete)
        deployment = deployment or query(target, "deployment")
        return replace(facts, model=deployment) if deployment else facts

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        target = credentials.without_key_query(target)
        if credential.startswith("eyJ"):  # a JSON Web Token: Entra ID
            return credentials.with_bearer(headers, credential), target
        return credentials.with_header(headers, b"api-key", credential), target

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        return (
            credentials.text_header(headers, b"api-key")
            or credentials.bearer(headers)
            or query(target, "api-key")
            or credentials.subprotocol_key(headers)
        )


def _split(target: bytes) -> tuple[str | None, bytes]:
    """(deployment, the target as OpenAI would have it)."""
    if target.startswith(_DEPLOYMENTS):
        path, mark, text = target[len(_DEPLOYMENTS) :].partition(b"?")
        deployment, _, rest = path.partition(b"/")
        return deployment.decode("latin-1") or None, b"/v1/" + rest + mark + text
    if target.startswith(_PREFIX) and not target.startswith(_PREFIX + b"v1/"):
        return None, b"/v1/" + target[len(_PREFIX) :]
    return None, target
