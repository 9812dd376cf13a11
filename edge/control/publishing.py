"""The admin API's answers about published configurations: which there are, who runs which, a new one. (Shell.)"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import web

from edge.cluster.aio.channels import Channels, Unreachable
from edge.cluster.aio.membership import Membership
from edge.cluster.registry import NodeNote
from edge.cluster.taking import following
from edge.config.published import Version
from edge.control.access import Caller
from edge.control.answers import body, json_reply
from edge.control.changes import Refused
from edge.control.desk import ControlDesk
from edge.control.gate import CALLER
from edge.control.inside import Inside
from edge.control.nodes import Nodes
from edge.control.publications import Wanted, drafted, head_document, in_words, node_document, refused_by, wanted

T = TypeVar("T")
MOST_BYTES = 1024 * 1024
"""Of a body: the text, escaped."""


class Publishing:
    """Each method answers the route of its name in `routes.ROUTES`."""

    def __init__(self, inside: Inside, desk: ControlDesk) -> None:
        self._inside = inside
        self._desk = desk
        self.others = Nodes()

    async def config_versions(self, request: web.Request) -> web.Response:
        published = self._inside.snapshot().published
        asked = request.query.get("channel") or (published.channel if published is not None else None)
        if asked is None:
            return json_reply({"cluster": None, "channel": None, "next": 1, "versions": [], "nodes": []})
        channels, channel = self._channels(), self._channel(asked)
        versions, notes = await _asked(channels.versions(channel)), self._takers(channel)
        return json_reply(
            {
                "cluster": channels.id,
                "channel": channel,
                "next": following([each.number for each in versions], _running(notes)),
                "versions": [head_document(each, notes) for each in versions],
                "nodes": [node_document(note) for note in notes],
            }
        )

    async def config_version(self, request: web.Request) -> web.Response:
        channels, channel = self._channels(), self._channel(request.query.get("channel"))
        version = await self._version(channels, channel, request.match_info["id"])
        return json_reply({**head_document(version, self._takers(channel)), "text": version.text})

    async def publish_config(self, request: web.Request) -> web.Response:
        question = wanted(await body(request.clone(client_max_size=MOST_BYTES)))
        channels, channel = self._channels(), self._channel(question.channel)
        version = await self._drafted(channels, channel, question, request[CALLER])
        faults = await self._faults(version)
        if faults:
            raise Refused("invalid", in_words(faults), "/text")
        if not question.is_trial:
            if not await _asked(channels.put(version)):
                raise Refused(
                    "conflict", f"version {version.number} has just been published by somebody else", "/number"
                )
            told = {
                "again": version.again,
                "nodes": list(version.nodes),
                "digest": version.digest,
                "note": version.note,
            }
            self._desk.note_done(request[CALLER], "publish configuration", version.label, told)
        document = head_document(version, self._takers(channel))
        return json_reply({**document, "published": not question.is_trial}, 200 if question.is_trial else 201)

    async def _drafted(self, channels: Channels, channel: str, question: Wanted, caller: Caller) -> Version:
        text = question.text
        if text is None:
            text = (await self._version(channels, channel, str(question.again))).text
        told = await _asked(channels.numbers(channel))
        number = following(told, _running(self._takers(channel)))
        who = f"{caller.name} ({caller.person})" if caller.person else caller.name
        return drafted(question, channel, text, number, who, time.time())

    async def _faults(self, version: Version) -> list[str]:
        """As this node would see it, if it takes this channel: another may lack something else."""
        distribution, published = self._membership().distribution, self._inside.snapshot().published
        if distribution is not None and published is not None and published.channel == version.channel:
            return await distribution.faults(version)
        return refused_by(version)

    async def _version(self, channels: Channels, channel: str, id: str) -> Version:
        found = await _asked(channels.version(channel, int(id))) if id.isdecimal() and len(id) < 16 else None
        if found is None:
            raise Refused("absent", f"there is no version {id} of {channel}, or no longer")
        return found

    def _channel(self, asked: str | None) -> str:
        published = self._inside.snapshot().published
        if asked:
            return asked
        if published is None:
            raise Refused("invalid", "this node takes no channel of its own ([cluster] config): name one", "/channel")
        return published.channel

    def _channels(self) -> Channels:
        channels = self._membership().channels
        if channels is None:
            raise Refused("conflict", "this node is on its own: its configuration has no [cluster] redis")
        return channels

    def _membership(self) -> Membership:
        membership = self.others.membership
        if membership is None:
            raise Refused("conflict", "this node is on its own: its configuration has no [cluster] redis")
        return membership

    def _takers(self, channel: str) -> list[NodeNote]:
        return [note for note in self.others.notes() if note.config is not None and note.config.channel == channel]


def _running(notes: list[NodeNote]) -> list[int]:
    return [note.config.number for note in notes if note.config is not None]


async def _asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except Unreachable as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
