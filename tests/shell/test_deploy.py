"""What stands in deploy/ is accepted by the programs it is for, and knows no metric that a node hasn't."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import generate
from edge.config.fault import ConfigError, Fault
from edge.config.summary import summary
from edge.config.watch import load
from edge.observe.health import HealthMetrics
from edge.observe.metrics import Metrics
from health.view import HealthView
from transport.path import Line

DEPLOY = Path(__file__).parents[2] / "deploy"
RECORDS = DEPLOY / "prometheus" / "farline-records.yml"


def expressions() -> Iterator[tuple[str, str]]:
    """(Where, PromQL) of every dashboard and recording rule."""
    for uid in generate.DASHBOARDS:
        for panel in generate.document(uid)["panels"]:
            for target in panel.get("targets", ()):
                yield f"{uid}: {panel['title']}", target["expr"]
    for rule in yaml.safe_load(RECORDS.read_text())["groups"][0]["rules"]:
        yield rule["record"], rule["expr"]


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_are_what_their_source_says() -> None:
    told = {path.stem: path.read_text("utf-8") for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")}
    assert told == {uid: generate.text(uid) for uid in generate.DASHBOARDS}


@pytest.mark.parametrize("uid", generate.DASHBOARDS)
def test_a_dashboard_has_no_overlapping_panels_and_explains_each(uid: str) -> None:
    board: dict[str, Any] = json.loads(generate.text(uid))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = []
    for number, (_, expression) in enumerate(expressions()):
        plain = re.sub(r"\$\w+", "x", expression)
        rules.append({"record": f"farline:check:{number}", "expr": plain})
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "check", "rules": rules}]}))
    run("promtool", "check", "rules", str(path))
    run("promtool", "check", "rules", str(RECORDS))
    run("promtool", "check", "config", "--syntax-only", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_every_metric_exists() -> None:
    metrics = Metrics()
    metrics.registry.register(HealthMetrics(HealthView, lambda: (Line("cn2", capacity_mbps=1.0),)))
    families = {family.name for family in metrics.registry.collect()} | _of_sources()
    for where, expression in expressions():
        for name in re.findall(r"(?<![\w:])(?:farline|process)_[a-z_]+", expression):
            plain = re.sub(r"_(total|bucket|sum|count)$", "", name)
            assert {name, plain} & families, f"{where}: {name}"


def _of_sources() -> set[str]:
    """Those that appear only once there is something to tell: links, stores, a relay."""
    sources = ("edge/observe/relays.py", "edge/observe/stores.py", "edge/relay/metrics.py")
    texts = [(DEPLOY.parent / name).read_text("utf-8") for name in sources]
    return {name for text in texts for name in re.findall(r'"(farline_[a-z_]+)"', text)}


@pytest.mark.parametrize("name", ["farline-edge", "farline-relay"])
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    unit = tmp_path / f"{name}.service"
    here = re.sub(r"/opt/farline/bin/farline", "/bin/true", (DEPLOY / "systemd" / f"{name}.service").read_text())
    unit.write_text(here)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    faults = [line for line in done.stderr.splitlines() if name in line]
    assert faults == []


def test_the_kubernetes_files_belong_together() -> None:
    kinds: dict[str, list[dict[str, Any]]] = {}
    folder = DEPLOY / "kubernetes"
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        for document in yaml.safe_load_all((folder / name).read_text()):
            kinds.setdefault(document["kind"], []).append(document)
    edge = next(each for each in kinds["Deployment"] if each["metadata"]["name"] == "edge")
    labels = edge["spec"]["template"]["metadata"]["labels"]
    assert edge["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert kinds["PodDisruptionBudget"][0]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert kinds["HorizontalPodAutoscaler"][0]["spec"]["scaleTargetRef"]["name"] == "edge"
    drain = int(re.findall(r"drain_seconds = (\d+)", (folder / "edge.toml").read_text())[0])
    pause = int(edge["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert edge["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain + pause


def test_the_compose_file_names_what_there_is() -> None:
    folder = DEPLOY / "container"
    document = yaml.safe_load((folder / "compose.yaml").read_text())
    made = {"edge.toml", "relay.toml", "keys", "state"}
    for service in document["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                path = (folder / source).resolve()
                assert path.exists() or path.relative_to(folder).parts[0] in made, source


TO_FILL_IN = ("can't be read: No such file", "is not set", "REPLACE-WITH")


@pytest.mark.parametrize("path", sorted((DEPLOY / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_examples_lack_only_what_is_their_readers_own(path: Path) -> None:
    faults: Sequence[Fault] = ()
    try:
        load(str(path))
    except ConfigError as error:
        faults = error.faults
    assert [str(fault) for fault in faults if not any(words in str(fault) for words in TO_FILL_IN)] == []


def test_the_compose_files_keys_make_two_nodes_that_know_each_other(tmp_path: Path) -> None:
    for name in ("keys.sh", "compose.yaml"):
        shutil.copy(DEPLOY / "container" / name, tmp_path)
    command = f"{sys.executable} -m edge.cli"
    environment = {**os.environ, "FARLINE": command, "PYTHONPATH": str(DEPLOY.parent)}
    done = subprocess.run([tmp_path / "keys.sh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for role in ("edge", "relay"):
        inside = tmp_path / f"in-{role}"  # as the container sees it
        inside.mkdir()
        shutil.copy(tmp_path / f"{role}.toml", inside)
        shutil.copytree(tmp_path / "keys" / role, inside / "keys")
        found[role] = load(str(inside / f"{role}.toml"))
    assert found["edge"].relays[0].fingerprint == summary(found["relay"])["fingerprint"]
    assert found["relay"].edges[0].fingerprint == summary(found["edge"])["fingerprint"]


def test_policy_routing_keeps_a_line_on_its_device() -> None:
    """In a network namespace of its own: twice the same, and away again without a trace."""
    space, script = f"farline-rules-{os.getpid()}", str(DEPLOY / "lines" / "policy-routing.sh")

    def inside(*argv: str) -> str:
        done = subprocess.run(["ip", "netns", "exec", space, *argv], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    run("ip", "netns", "add", space)
    try:
        before = inside("ip", "rule")
        inside("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
        inside("ip", "addr", "add", "10.20.0.2/24", "dev", "d0")
        for device in ("d0", "d1"):
            inside("ip", "link", "set", device, "up")
        for _ in range(2):
            assert inside(script, "add", "101", "d0", "10.20.0.2", "10.20.0.1") == ""
        assert inside("ip", "rule").count("10.20.0.2") == 2
        assert "via 10.20.0.1 dev d0" in inside("ip", "route", "get", "192.0.2.1", "from", "10.20.0.2")
        inside("ip", "link", "set", "d0", "down")
        assert "unreachable" in inside("ip", "route", "get", "192.0.2.1", "from", "10.20.0.2")
        inside(script, "del", "101", "10.20.0.2")
        assert inside("ip", "rule") == before
    finally:
        run("ip", "netns", "del", space)
