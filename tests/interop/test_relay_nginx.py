"""A relay in front of nginx: HTTP/2 over TLS, files with a length, uploads, and its own error pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.certificates import certificates
from tests.support.relaying import relayed, snapshot_for
from tests.support.servers import answering, nginx
from transport.message import header
from transport.path import Protocol


async def test_files_uploads_and_errors(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    content = bytes(range(256)) * 20_000
    (root / "file").write_bytes(content)
    (root / "text.html").write_text("<p>farline</p>" * 5000)
    with nginx(root, made, tmp_path) as port:
        await answering(port)
        snapshot = snapshot_for(port, protocols=(Protocol.H2,))
        (provider,) = snapshot.providers
        (endpoint,) = provider.endpoints
        secure = replace(endpoint, tls=True, ca_file=made.authority, url=f"https://127.0.0.1:{port}")
        async with relayed(replace(snapshot, providers=(replace(provider, endpoints=(secure,)),))) as relay:
            replies = [relay.ask("GET", "/file") for _ in range(3)]
            for reply in replies:
                await reply.done()
                assert reply.end is not None
                assert bytes(reply.body) == content
            text = await relay.ask("GET", "/text.html", headers=[(b"accept-encoding", b"gzip")]).done()
            assert text.head is not None
            assert header(text.head.headers, b"content-encoding") is None
            assert len(text.body) == 70_000
            assert text.received < 2_000
            missing = await relay.ask("GET", "/missing").done()
            assert missing.head is not None
            assert missing.head.status == 404
            taken = await relay.ask("POST", "/discard", content[:300_000]).done()
            assert bytes(taken.body) == b"taken"
            head = await relay.ask("HEAD", "/file").done()
            assert (bytes(head.body), head.end is not None) == (b"", True)
            assert {record.protocol for record in relay.watching.records} == {"h2"}
