"""Client keys and the node's own credentials: who may, what the provider is shown, and how a refusal looks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest
from google import genai

from tests.support.nodes import Edge
from tests.support.sdks import Sdks, of
from tests.support.worlds import NODE_KEY, World, world_config

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

KEY, NARROW, STRANGER = "fl-key-of-a-team", "fl-key-for-one-provider", "fl-key-of-nobody"
USER = [{"role": "user", "content": "x"}]


def _key(id: str, key: str, extra: str = "") -> str:
    return f'[[key]]\nid = "{id}"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n{extra}\n'


@pytest.fixture(scope="module")
def guarded(world: World) -> Iterator[World]:
    """An edge with client keys and credentials of its own; the provider `openai-pass` takes the callers' own."""
    keys = _key("team", KEY) + _key("narrow", NARROW, 'providers = ["azure-h2"]\nmay_choose_line = true')
    with Edge(
        world_config(world.provider, keys, credential="env:FARLINE_TEST_NODE_KEY"), {"FARLINE_TEST_NODE_KEY": NODE_KEY}
    ) as edge:
        yield World(world.provider, edge)


@pytest.fixture(params=(False, True), ids=("sync", "async"))
async def sdks(request: pytest.FixtureRequest, guarded: World) -> AsyncIterator[Sdks]:
    sdks = Sdks(guarded, "h2", request.param)
    async with sdks.stack:
        yield sdks
    for record in sdks.seen():
        assert not any(key in str(record) for key in (KEY, NARROW, STRANGER))


async def test_the_provider_sees_the_nodes_credential_only(sdks: Sdks):
    first = await sdks.openai(api_key=KEY)
    assert (await of(first.moderations.create(input="x"))).results
    second = await sdks.anthropic(api_key=KEY)
    assert (await of(second.messages.create(model="c", max_tokens=9, messages=USER))).content
    third = await sdks.gemini(api_key=KEY)
    assert (await of(third.models.count_tokens(model="g", contents="x"))).total_tokens
    shown = [dict(record["headers"]) for record in sdks.seen()]
    assert shown[0]["authorization"] == f"Bearer {NODE_KEY}"
    assert shown[1]["x-api-key"] == NODE_KEY
    assert "authorization" not in shown[1]
    assert shown[2]["x-goog-api-key"] == NODE_KEY


async def test_a_key_of_this_node_never_leaves_it(sdks: Sdks):
    """Where the callers' own credentials are passed through, the SDK's key is farline's, or the provider's."""
    url = sdks.world.edge.url + "/openai-pass/v1"
    client = await sdks.openai(api_key=KEY, base_url=url)
    await of(client.moderations.create(input="x"))
    assert "authorization" not in dict(sdks.seen()[0]["headers"])
    client = await sdks.openai(api_key="sk-the-callers", base_url=url)
    await of(client.moderations.create(input="x", extra_headers={"x-farline-key": KEY}))
    shown = dict(sdks.seen()[1]["headers"])
    assert shown["authorization"] == "Bearer sk-the-callers"
    assert "x-farline-key" not in shown


async def test_strangers_are_refused_in_their_dialect(sdks: Sdks):
    first = await sdks.openai(api_key=STRANGER)
    with pytest.raises(openai.AuthenticationError) as one:
        await of(first.chat.completions.create(model="m", messages=USER))
    assert one.value.type == "authentication_error"
    second = await sdks.anthropic(api_key=STRANGER)
    with pytest.raises(anthropic.AuthenticationError) as two:
        await of(second.messages.create(model="c", max_tokens=9, messages=USER))
    assert two.value.body["error"]["type"] == "authentication_error"
    third = await sdks.gemini(api_key=STRANGER)
    with pytest.raises(genai.errors.ClientError) as three:
        await of(third.models.generate_content(model="g", contents="x"))
    assert (three.value.code, three.value.status) == (401, "UNAUTHENTICATED")
    assert sdks.seen() == []


async def test_a_key_for_one_provider_opens_no_other(sdks: Sdks):
    first = await sdks.openai(api_key=NARROW)
    with pytest.raises(openai.PermissionDeniedError):
        await of(first.chat.completions.create(model="m", messages=USER))
    second = await sdks.anthropic(api_key=NARROW)
    with pytest.raises(anthropic.PermissionDeniedError) as two:
        await of(second.messages.create(model="c", max_tokens=9, messages=USER))
    assert two.value.body["error"]["type"] == "permission_error"
    third = await sdks.gemini(api_key=NARROW)
    with pytest.raises(genai.errors.ClientError) as three:
        await of(third.models.generate_content(model="g", contents="x"))
    assert (three.value.code, three.value.status) == (403, "PERMISSION_DENIED")
    assert sdks.seen() == []


async def test_a_key_that_may_not_choose_the_line(sdks: Sdks):
    client = await sdks.openai(api_key=KEY)
    with pytest.raises(openai.PermissionDeniedError):
        await of(client.moderations.create(input="x", extra_headers={"x-farline-line": "cn2"}))
    assert sdks.seen() == []


async def test_routes_by_model(sdks: Sdks):
    """`/v1` without a provider: [[model]] says who serves it."""
    first = await sdks.openai(api_key=KEY, base_url=sdks.world.edge.url + "/v1")
    for name, protocol in (("gpt-over-h2", "h2"), ("gpt-over-h3", "h3"), ("unheard-of", "http/1.1")):
        await of(first.chat.completions.create(model=name, messages=USER))
        assert sdks.seen()[-1]["protocol"] == protocol
    second = await sdks.anthropic(api_key=KEY, base_url=sdks.world.edge.url)
    await of(second.messages.create(model="claude-over-h2", max_tokens=9, messages=USER))
    assert sdks.seen()[-1]["protocol"] == "h2"
    third = await sdks.gemini(api_key=KEY, base_url=sdks.world.edge.url)
    await of(third.models.generate_content(model="g", contents="x"))
    assert "generateContent" in sdks.seen()[-1]["target"]
