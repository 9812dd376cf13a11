"""Where operators' controls change: checked, saved, in effect in every worker, written to the audit log. (Shell.)"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.cluster.controls import joined
from edge.config.model import Snapshot
from edge.control.access import Caller
from edge.control.audit import Audit
from edge.control.changes import Change, Known, apply, prune
from edge.control.documents import as_document, difference, from_document
from edge.control.events import Events
from edge.control.peers import Peers
from edge.control.state import StateFile
from edge.control.times import rfc3339
from edge.routing.controls import Controls

log = logging.getLogger("farline.control")

CONTROLS_PATH = "/internal/controls"


@dataclass(frozen=True, slots=True)
class Applied:
    """`failed`: workers that don't have it yet, and why. `not_saved`: why it wouldn't outlive a restart, or ""."""

    controls: Controls
    workers: tuple[int, ...]
    failed: dict[int, str]
    not_saved: str = ""


class ControlDesk:
    """The one place where this process's controls change. `put_in_effect` is called with every new `Controls`, and
    `on_change` with those before and after when this node's operators have changed them.

    The worker with the admin listener makes the changes, saves them and tells the others; these adopt what has a higher
    version. A worker that starts takes the highest version among the state file and the other workers: it listens
    before it asks, so a change made meanwhile reaches it either way.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        put_in_effect: Callable[[Controls], None],
        audit: Audit,
        events: Events,
        *,
        worker: int | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.controls = Controls()
        self.on_change: Callable[[Controls, Controls], None] = lambda before, after: None
        self.persistence = "file" if snapshot.node.state_dir else "memory"
        self.known = Known.of(snapshot)
        self._put_in_effect = put_in_effect
        self._audit = audit
        self._events = events
        self._worker = worker or 0
        self._peers = peers
        self._state = StateFile(snapshot.node.state_dir) if snapshot.node.state_dir else None
        self._behind = False
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Takes up what was in effect before this process started. Call it when the worker's socket listens."""
        found = [await asyncio.to_thread(self._state.load)] if self._state is not None else []
        if self._peers is not None:
            found += [from_document(told) for told in (await self._peers.ask(CONTROLS_PATH)).values()]
        for controls in found:
            self.adopt(controls)
        if not self._worker:
            await self._prune()

    def adopt(self, controls: Controls) -> bool:
        """Another's controls, if they are newer than ours."""
        if controls.version <= self.controls.version:
            return False
        self._use(controls)
        return True

    async def change(self, changes: Sequence[Change], caller: Caller, action: str, target: str = "") -> Applied:
        """Makes the changes, all or none. `action` and `target` are for the audit log.

        Raises:
            Refused: they can't be made; nothing has changed.
        """
        async with self._changing:
            before = self.controls
            after = apply(before, changes, self.known, time.time())
            applied = await self._spread(after)  # even if nothing is new: who lacks it gets it, and it is saved
            if after is not before:
                self._record(before, applied, caller, action, target)
                self.on_change(before, after)
            return applied

    async def hear(self, told: Mapping[str, Any], who: str) -> None:
        """Operators of other nodes (`who`) changed something: in effect here as far as it is about our lines."""
        async with self._changing:
            before = self.controls
            after = joined(before, told, self.known.lines)
            if after is not before:
                self._record(before, await self._spread(after), None, "cluster", who)

    async def catch_up(self) -> None:
        """Tells those workers again that didn't take the last change, because they hung or weren't up."""
        if self._behind and self._peers is not None:
            async with self._changing:
                told = await self._peers.tell(CONTROLS_PATH, as_document(self.controls))
                self._behind = any(told.values())

    def what_if(self, changes: Sequence[Change]) -> Controls:
        """The controls that the changes would make. Raises Refused."""
        return apply(self.controls, changes, self.known, time.time())

    async def reloaded(self, snapshot: Snapshot) -> None:
        """A new configuration is in use: overrides stay, those of lines that are gone don't."""
        self.known = Known.of(snapshot)
        if not self._worker:
            await self._prune()

    async def _prune(self) -> None:
        async with self._changing:
            before = self.controls
            kept, gone = prune(before, self.known)
            if gone:
                log.warning("controls dropped, their lines are no longer configured: %s", ", ".join(gone))
                self._record(before, await self._spread(kept), None, "lines gone", ", ".join(gone))

    async def _spread(self, controls: Controls) -> Applied:
        """In effect here at once, then saved, then in every other worker."""
        self._use(controls)
        not_saved = await self._save(controls)
        told = await self._peers.tell(CONTROLS_PATH, as_document(controls)) if self._peers is not None else {}
        failed = {worker: why for worker, why in told.items() if why is not None}
        self._behind = bool(failed)
        return Applied(controls, tuple(one for one in self._everybody() if one not in failed), failed, not_saved)

    def _everybody(self) -> tuple[int, ...]:
        return tuple(sorted((self._worker, *(self._peers.numbers if self._peers is not None else ()))))

    def _use(self, controls: Controls) -> None:
        self.controls = controls
        self._put_in_effect(controls)

    async def _save(self, controls: Controls) -> str:
        if self._state is None:
            return ""
        try:
            await asyncio.to_thread(self._state.save, controls)
        except OSError as error:
            log.error("controls are in effect but not saved: %s", error)
            return f"{self._state.path}: {error.strerror or error}"
        return ""

    def _record(self, before: Controls, applied: Applied, caller: Caller | None, action: str, target: str) -> None:
        old, new = difference(as_document(before), as_document(applied.controls))
        entry: dict[str, Any] = {
            "at": rfc3339(time.time()),
            **_who(caller),
            "action": action,
            "target": target,
            "version": applied.controls.version,
            "before": old,
            "after": new,
        }
        if applied.failed:
            entry["workers_without_it"] = sorted(applied.failed)
        if applied.not_saved:
            entry["not_saved"] = applied.not_saved
        self._audit.write(entry)
        self._events.publish("control", {name: entry[name] for name in ("who", "action", "target", "before", "after")})

    def note_done(self, caller: Caller, action: str, target: str, after: dict[str, Any]) -> None:
        """Something was done that isn't a change of the controls. `after`: what came of it."""
        entry: dict[str, Any] = {
            "at": rfc3339(time.time()),
            **_who(caller),
            "action": action,
            "target": target,
            "version": self.controls.version,
            "before": {},
            "after": after,
        }
        self._audit.write(entry)
        self._events.publish("control", {name: entry[name] for name in ("who", "action", "target", "before", "after")})

    def note_reload(
        self, before: int, after: int, source: str | None, faults: Sequence[str] = (), published: str = ""
    ) -> None:
        """The configuration was reloaded, or (with `faults`) refused. Generations before and after; `published`: the
        version of what is common to many nodes."""
        action = "reload refused" if faults else "reload"
        about: dict[str, Any] = {
            "action": action,
            "target": source,
            "before": {"generation": before},
            "after": {"generation": after, **({"published": published} if published else {})},
        }
        if faults:
            about["faults"] = list(faults)
        if not self._worker:  # the others reload the same file
            entry = {"at": rfc3339(time.time()), **_who(None)}
            self._audit.write({**entry, **about, "version": self.controls.version})
            self._events.publish("reload", about)


def _who(caller: Caller | None) -> dict[str, Any]:
    """For the audit log; None: the node itself. Names may change: who came by an OpenID provider is its subject."""
    if caller is None:
        return {"who": "node", "role": None, "from": None, "person": None}
    by_issuer = {"issuer": caller.issuer, "subject": caller.subject} if caller.issuer else {}
    return {
        "who": caller.name,
        "role": caller.role.value,
        "from": caller.peer,
        "person": caller.person,
        **by_issuer,
    }
