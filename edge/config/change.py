"""What a reload may change in a running node, and what has to wait for a restart."""

from __future__ import annotations

from dataclasses import replace

from edge.config.model import Snapshot


def settle(new: Snapshot, old: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """The next generation: `new` with what can't change while running kept from `old`, and the keys so kept.

    Certificates may change on a listener that has TLS; TLS itself can't come or go.
    """
    kept = [
        key for key in ("data", "session", "admin", "workers") if getattr(new.listen, key) != getattr(old.listen, key)
    ]
    if (new.listen.tls is None) != (old.listen.tls is None):
        kept.append("tls")
    listen = replace(new.listen, **{key: getattr(old.listen, key) for key in kept})
    waiting = [f"listen.{key}" for key in kept]
    if new.node.role != old.node.role:
        waiting.append("node.role")
    if new.node.state_dir != old.node.state_dir:
        waiting.append("node.state_dir")
    if new.node.key != old.node.key:
        waiting.append("node.key")
    waiting += [name for name in ("cluster", "dns", "trace") if getattr(new, name) != getattr(old, name)]
    node = replace(new.node, role=old.node.role, state_dir=old.node.state_dir, key=old.node.key)
    return replace(
        new,
        generation=old.generation + 1,
        node=node,
        listen=listen,
        cluster=old.cluster,
        dns=old.dns,
        trace=old.trace,
    ), tuple(waiting)


def unsafe(new: Snapshot, old: Snapshot) -> tuple[str, str] | None:
    """Why `new` can't follow `old` in a running node at all, and what is expected: it would take from another channel,
    or go back in its own, because what the node keeps of it is gone or was exchanged."""
    was, now = old.published, new.published
    if (was and was.file) != (now and now.file):
        return "cluster.config, or node.state_dir where it is kept, has changed", "a restart to apply it"
    if was is not None and now is not None and now.number < was.number:
        found = f"version {now.number} of it" if now.number else "nothing"
        return f"{now.file} holds {found}, and version {was.number} is in use", f"version {was.number} or a later one"
    return None
