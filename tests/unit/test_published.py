"""What is published: who may believe it, how it is joined with a node's own file, which version a node tries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.cli.admin_client import AskFailed
from edge.cli.config import _before as before
from edge.cluster.registry import NodeNote
from edge.cluster.taking import KEPT, ConfigNote, following, numbers, surplus, to_bring_back, to_try
from edge.config.change import settle, unsafe
from edge.config.model import Published, Snapshot
from edge.config.publication import file_of, shared_layer
from edge.config.published import MOST_BYTES, Version, decoded, encoded, signed, why_not
from edge.config.read import Outcome, read
from edge.config.summary import summary
from edge.control.changes import Refused
from edge.control.publications import (
    config_document,
    drafted,
    head_document,
    in_words,
    node_document,
    refused_by,
    wanted,
)
from transport.session import keys

OWN = """\
[node]
state_dir = "/state"
[cluster]
redis = "redis://r"
config = "prod"
[[line]]
id = "a"
source = "10.0.0.1"
[[line]]
id = "b"
"""
KEY = keys.load(keys.make("ed25519"))
TRUSTED = keys.fingerprint(keys.spki(KEY.public_key()))


def outcome(published: str | bytes | None, own: str = OWN, **files: bytes) -> Outcome:
    content: Mapping[str, bytes] = {**files}
    if published is not None:
        data = published if isinstance(published, bytes) else encoded(Version("prod", 7, published))
        content = {**content, "/state/published-prod.json": data}

    def read_file(name: str) -> bytes:
        if name not in content:
            raise FileNotFoundError(2, "No such file or directory", name)
        return content[name]

    return read(own, {}, read_file, "/etc/edge.toml")


def taken(published: str, own: str = OWN) -> Snapshot:
    found = outcome(published, own)
    assert found.faults == ()
    assert found.snapshot is not None
    return found.snapshot


def faults(published: str | bytes | None, own: str = OWN) -> list[str]:
    return [str(fault) for fault in outcome(published, own).faults]


def test_a_version_travels() -> None:
    version = Version("prod", 3, "x = 1", nodes=("a",))
    assert decoded(encoded(version)) == version
    assert (version.label, version.is_for("a"), version.is_for("b")) == ("prod@3", True, False)
    assert Version("prod", 3, "").is_for("b")
    for junk in (b"{}", b"\xff", "[]"):
        with pytest.raises(ValueError, match="no published configuration"):
            decoded(junk)


def test_a_signature_fits_nothing_else() -> None:
    version = signed(Version("prod", 3, "x = 1"), "farline", KEY)
    assert version.signer == TRUSTED
    assert why_not(version, "farline", [TRUSTED]) is None
    assert why_not(version, "farline", []) is None
    change = msgspec.structs.replace
    for other in (
        change(version, text="x = 2"),
        change(version, number=4),
        change(version, channel="test"),
        change(version, nodes=("a",)),
    ):
        assert "is wrong" in str(why_not(other, "farline", [TRUSTED]))
    assert "is wrong" in str(why_not(version, "another", [TRUSTED]))
    assert "not signed" in str(why_not(Version("prod", 3, "x = 1"), "farline", [TRUSTED]))
    assert "doesn't trust (SHA256:" in str(why_not(version, "farline", ["SHA256:other"]))
    assert "doesn't trust (unreadable)" in str(why_not(change(version, public="?"), "farline", [TRUSTED]))
    assert "can't be read" in str(why_not(change(version, signature="?"), "farline", [TRUSTED]))
    # who, when and why may be told differently: they decide nothing
    assert why_not(change(version, who="else", note="else", at=1.0), "farline", [TRUSTED]) is None


def test_without_anything_published_the_file_stands_alone_and_is_watched() -> None:
    found = outcome(None)
    assert found.snapshot is not None
    assert found.snapshot.published == Published("prod", file_of("/state", "prod"))
    assert found.files == ("/state/published-prod.json",)
    assert Snapshot().published is None
    told = {"channel": "prod", "version": 0, "file": "/state/published-prod.json"}
    assert (summary(found.snapshot)["published"], summary(Snapshot())["published"]) == (told, None)


def test_sections_are_joined_key_by_key_and_arrays_by_id() -> None:
    own = OWN + '[limits]\nbody_bytes = 5\n[[key]]\nid = "mine"\nsha256 = "' + "a" * 64 + '"\n'
    shared = f"""
        [limits]
        max_in_flight = 9
        [routing]
        policy = "weighted"
        [[key]]
        id = "ours"
        sha256 = "{"b" * 64}"
        [[line]]
        id = "a"
        weight = 7
        [[line]]
        id = "elsewhere"
        weight = 8
    """
    snapshot = taken(shared, own)
    assert (snapshot.limits.body_bytes, snapshot.limits.max_in_flight, snapshot.routing.policy) == (5, 9, "weighted")
    assert [key.id for key in snapshot.keys] == ["ours", "mine"]
    assert [(line.id, line.weight, line.source) for line in snapshot.lines] == [("a", 7, "10.0.0.1"), ("b", 100, None)]
    assert snapshot.published is not None
    assert (snapshot.published.number, len(snapshot.published.digest)) == (7, 64)


def test_lines_that_only_the_published_one_knows_make_none() -> None:
    own = OWN.split("[[line]]")[0]
    assert [line.id for line in taken('[[line]]\nid = "a"\nweight = 7', own).lines] == ["direct"]


def test_what_stands_in_both_is_a_fault() -> None:
    own = OWN + '[limits]\nbody_bytes = 5\n[[provider]]\nid = "openai"\n'
    shared = '[limits]\nbody_bytes = 6\n[[provider]]\nid = "openai"\n[[line]]\nid = "b"\n'
    assert faults(shared, own) == [
        '/etc/edge.toml:12: limits.body_bytes: stands in prod@7 too (its line 2); expected "body_bytes" in one of them',
        '/etc/edge.toml:14: provider[0].id: stands in prod@7 too (its line 4); expected "id" in one of them',
    ]
    weight = OWN.replace('id = "b"', 'id = "b"\nweight = 1')
    assert "line[1].weight: stands in prod@7 too (its line 3)" in faults('[[line]]\nid = "b"\nweight = 3', weight)[0]
    assert "limits: stands in prod@7 too" in faults("limits = 3", OWN + "[limits]\nbody_bytes = 5\n")[0]


@pytest.mark.parametrize("shared", ["line = 3", "line = [3]", "[[line]]\nweight = 4"])
def test_lines_of_odd_shapes(shared: str) -> None:
    assert bool(faults(shared)) == (shared == "line = 3")
    assert faults("", OWN + "[[provider]]\nname = 3\n")


def test_a_line_that_isnt_one() -> None:
    own = OWN.split("[[line]]")[0] + "[[provider]]\nid = 3\n"
    assert any("provider[0]: is an integer" in fault for fault in faults('provider = [3, {id = "openai"}]', own))
    assert faults('[[line]]\nid = "a"\nweight = 1', "line = [3]\n" + OWN.split("[[line]]")[0])


def test_faults_of_the_published_text_stand_there() -> None:
    shared = '[limits]\nbody_byte = 6\n[[line]]\nid = "a"\nweight = "x"\n[[provider]]\nid = "openai"\nfoo = 1\n'
    assert faults(shared) == [
        "prod@7:2: limits.body_byte: is unknown; did you mean body_bytes?",
        'prod@7:5: line[0].weight: "x" is a string; expected a number ≥ 0',
        "prod@7:8: provider[0].foo: is unknown",
    ]
    assert faults("x = [")[0].startswith("prod@7:1: not TOML")
    assert "nested too deeply" in faults("x = " + "[" * 2000)[0]


def test_what_is_a_nodes_own_cant_be_published() -> None:
    text = '[node]\nname = "x"\n[listen]\nworkers = 2\n[[line]]\nid = "a"\nsource = "10.0.0.2"\n'
    assert [fault.key_path for fault in shared_layer(Version("prod", 1, text))[1]] == [
        "node",
        "listen",
        "line[0].source",
    ]
    assert refused_by(Version("prod", 1, text))[0].startswith("prod@1:1: node: is each node's own")


@pytest.mark.parametrize(
    "text",
    [
        'a = "sk-1234567890abcdef"',
        "# the old one was fla-1234567890",
        'b = "https://me:word@host/"',
        "a = 'AIzaSyA1234567890'",
    ],
)
def test_secrets_cant_be_published(text: str) -> None:
    found = refused_by(Version("prod", 1, f"[limits]\n{text}\n"))
    assert len(found) == 1
    assert found[0].startswith("prod@1:2: something that looks like a secret")


def test_digests_models_and_references_can() -> None:
    text = f'sha256 = "{"0a" * 32}"\nname = "claude-sonnet-4-5-20250929"\ncredential = "env:KEY"\nc = "file:a/b"'
    assert refused_by(Version("prod", 1, text)) == []


def test_what_was_kept_may_be_wrong() -> None:
    assert "is no published configuration" in faults(b"{")[0]
    assert "it was published on test" in faults(encoded(Version("test", 7, "")))[0]
    own = OWN.replace('config = "prod"', f'config = "prod"\nconfig_keys = ["{TRUSTED}"]')
    assert "it is not signed" in faults("", own)[0]
    assert outcome(encoded(signed(Version("prod", 7, ""), "farline", KEY)), own).snapshot is not None


def test_a_channel_needs_its_surroundings() -> None:
    def said(own: str) -> str:
        return "\n".join(faults(None, own))

    assert "there is no Redis to take it from" in said('[node]\nstate_dir = "/s"\n[cluster]\nconfig = "prod"')
    assert "no place to keep" in said('[cluster]\nredis = "redis://r"\nconfig = "prod"')
    relay = '[node]\nrole = "relay"\nstate_dir = "/s"\n[cluster]\nredis = "redis://r"\nconfig = "prod"'
    assert "only edges take" in said(relay)
    assert "config_keys: are for a published" in said(f'[cluster]\nconfig_keys = ["{TRUSTED}"]')
    assert "is not valid" in said('[node]\nstate_dir = "/s"\n[cluster]\nconfig = "-"')
    assert "cluster" in said("cluster = 3")
    assert "node" in said('node = 3\n[cluster]\nconfig = "prod"')


def test_dns_needs_its_surroundings() -> None:
    alone = faults(None, "[dns]\nttl_seconds = 5")
    assert "zone is missing" in alone[0]
    said = "\n".join(faults(None, '[dns]\nzone = "a.example"'))
    assert "only edges of a cluster" in said
    assert "nameservers is missing" in said
    assert "is not a domain name" in faults(None, '[dns]\nzone = "example"')[1]
    own = '[cluster]\nredis = "redis://r"\n[dns]\nzone = "E.example."\nnameservers = ["ns.example"]'
    found = outcome(None, own).snapshot
    assert found is not None
    assert found.dns.zone == "e.example"


def test_a_running_node_never_goes_back() -> None:
    at = [replace(Snapshot(), published=Published("prod", "/s/p", number)) for number in (0, 1, 2)]
    assert unsafe(at[2], at[1]) is None
    assert unsafe(at[1], at[1]) is None
    assert unsafe(Snapshot(), Snapshot()) is None
    assert "holds version 1 of it, and version 2 is in use" in str(unsafe(at[1], at[2]))
    assert "holds nothing, and version 2" in str(unsafe(at[0], at[2]))
    assert "has changed" in str(unsafe(Snapshot(), at[1]))
    assert "has changed" in str(unsafe(replace(at[1], published=Published("test", "/s/t", 5)), at[1]))
    assert settle(at[2], at[1])[0].published == at[2].published


def test_which_version_is_tried() -> None:
    assert numbers([b"3", "10", b"x", b"0", b"-1", b"9" * 16, "\u0663"]) == [3, 10]
    assert to_try(["1", "2", "3", "5"], 2) == [5, 3]
    assert to_bring_back([1, 2], 3)
    assert not to_bring_back([1, 3], 3)
    assert not to_bring_back([], 0)
    assert surplus(range(1, KEPT + 3)) == [1, 2]
    assert (following([], []), following([4], [7, 2])) == (1, 8)


def test_what_callers_may_want() -> None:
    found = wanted({"text": "x", "nodes": ["a", "a"], "note": "n", "dry_run": True, "channel": "c", "number": 4})
    assert (found.text, found.nodes, found.note, found.is_trial, found.channel) == ("x", ("a",), "n", True, "c")
    assert wanted({"again": 3}).again == 3
    for document, pointer in (
        ({}, ""),
        ({"text": "x", "again": 1}, ""),
        ({"texts": "x"}, "/texts"),
        ({"text": 3}, "/text"),
        ({"text": "x" * (MOST_BYTES + 1)}, "/text"),
        ({"text": "x", "nodes": "a"}, "/nodes"),
        ({"text": "x", "nodes": ["ä"]}, "/nodes"),
        ({"text": "x", "note": "a\nb"}, "/note"),
        ({"text": "x", "note": 3}, "/note"),
        ({"text": "x", "dry_run": 1}, "/dry_run"),
        ({"text": "x", "channel": "a b"}, "/channel"),
        ({"again": 0}, "/again"),
        ({"again": True}, "/again"),
        ({"text": "x", "number": "1"}, "/number"),
    ):
        with pytest.raises(Refused) as refused:
            wanted(document)
        assert refused.value.pointer == pointer


def test_a_draft_is_of_the_expected_number() -> None:
    question = wanted({"text": "x", "number": 4, "note": "n"})
    assert drafted(question, "prod", "x", 4, "eve", 1.23456) == Version("prod", 4, "x", 1.235, "eve", "n")
    with pytest.raises(Refused, match="the next version is 5"):
        drafted(question, "prod", "x", 5, "eve", 1.0)


def test_how_versions_are_told() -> None:
    notes = [
        NodeNote("a", 1, config=ConfigNote("prod", 2, "d")),
        NodeNote("b", 1, config=ConfigNote("prod", 1, "d", 2, "no key")),
        NodeNote("c", 1),
    ]
    told = head_document(Version("prod", 2, "x", 1e9, "eve"), notes)
    assert (told["running"], told["refused"], told["signed_by"], told["again"]) == (["a"], {"b": "no key"}, None, None)
    assert node_document(notes[1])["refused"] == {"version": 2, "why": "no key"}
    assert config_document(notes[2]) is None
    assert node_document(notes[2]) == {"name": "c"}
    assert in_words(["a"] * 21).splitlines()[-1] == "… and 1 more"
    assert in_words(["a", "b"]) == "a\nb"
    assert Version("prod", 2, "x", signature="s", public=b64encode(b"k").decode()).signer.startswith("SHA256:")


def test_going_back_goes_further_back_each_time() -> None:
    def version(number: int, digest: str, again: int | None = None) -> dict[str, Any]:
        return {"version": number, "digest": digest, "again": again}

    first, second, third = version(1, "a"), version(2, "b"), version(3, "c")
    assert before({"channel": "p", "versions": [third, second, first]}) == 2
    assert before({"channel": "p", "versions": [version(4, "b", 2), third, second, first]}) == 1
    assert before({"channel": "p", "versions": [version(3, "b", 2), second, first]}) == 1
    for versions in ([], [first], [version(2, "a", 1), first]):
        with pytest.raises(AskFailed, match="no older version"):
            before({"channel": "p", "versions": versions})
