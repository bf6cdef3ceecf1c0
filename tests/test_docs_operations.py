"""What operators are told of metrics and licences is what the code has and needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.metrics import Metrics
from index.errors import InternalError, StorageFull, StoreUnavailable, Unavailable
from worker.overview import Disk, Inside

ROOT = Path(__file__).parent.parent
MONITORING = (ROOT / "docs" / "monitoring.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
LICENCES = (ROOT / "docs" / "licences.md").read_text()
COPYING = re.findall(r"sh -c '(.*?)'", OPERATIONS.split("## Backup and restore")[1].split("\n## ")[0], re.DOTALL)


@pytest.fixture(scope="module")
def families():
    """All metrics that an API process has, those of an embedded reader included, by the names that are scraped."""
    counts = SimpleNamespace(pending=0, done=0, failed=0, undecoded=0, drafts=0)
    service = SimpleNamespace(
        counts=lambda _tenant: counts, queue_depth=lambda: 0, inside=Inside, disk=lambda: Disk(0, 0, 0)
    )
    found = Metrics(service).registry.collect()
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in found
        if family.name.startswith("folioscope_")
    }


def test_each_metric_is_documented(families):
    """In the table, and no other."""
    assert set(re.findall(r"^\| `(folioscope_\w+)`", MONITORING, re.MULTILINE)) == families


def test_alarms_speak_of_metrics_that_there_are(families):
    """Expressions that name something else would never fire."""
    alarms = MONITORING.split("## What to alarm on")[1]
    named = set(re.findall(r"folioscope_\w+", alarms))
    assert len(named) >= 5
    assert {name.removesuffix("_bucket") for name in named} <= families


def test_the_alarm_on_errors_knows_all_of_what_is_not_the_callers_fault():
    """A read-only disk's too, whose code is the plainest. Patterns of Prometheus match the whole of a label."""
    patterns = set(re.findall(r'folioscope_errors_total\{code=~"([^"]+)"', MONITORING))
    (pattern,) = (pattern.replace("\\|", "|") for pattern in patterns)
    codes = {InternalError.code, Unavailable.code, StoreUnavailable.code, "broker_unavailable", "llm_unavailable"}
    assert {code for code in codes if not re.fullmatch(pattern, code)} == set()
    assert f'folioscope_errors_total{{code="{StorageFull.code}"}}' in MONITORING


def test_each_dependency_has_a_licence():
    """Every package that the service and its extras ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = project["dependencies"] + sum(
        (extras[name] for name in extras if name not in {"dev", "train", "samples"}), []
    )
    packages = {re.match(r"[\w-]+", line)[0] for line in asked}
    assert packages - set(re.findall(r"`([\w-]+)`", LICENCES)) == set()


def test_each_variable_of_the_compose_file_is_documented():
    """With its default, in the order in which a row names them."""
    compose = (ROOT / "docker-compose.yml").read_text()
    used = {(name, default or "none") for name, default in re.findall(r"\$\{(FOLIOSCOPE_\w+):-([^}]*)\}", compose)}
    told = set()
    for row in re.findall(r"^\| (`FOLIOSCOPE_.*)", OPERATIONS, re.MULTILINE):
        names, defaults = row.split(" | ")[:2]
        told |= set(zip(re.findall(r"`(\w+)`", names), [one.strip("`") for one in defaults.split(", ")], strict=True))
    assert told == used


@pytest.mark.skipif(not shutil.which("tar"), reason="there is no tar")
@pytest.mark.parametrize("way", ["one process", "stack"])
@pytest.mark.parametrize("ends", [0, 1, 2])
def test_a_backup_of_a_running_archive_is_whole(tmp_path, way, ends):
    """As it is written, on a disk of its own. GNU tar ends with 1 where a folder changed while it was read, as that of
    documents does where people send some in: then the blobs belong to it all the same. 2 is an error.
    """
    backup, restore = (COPYING[0], COPYING[2]) if way == "one process" else (COPYING[1], COPYING[3])
    home = tmp_path / "home"
    data = home / ".local/share/folioscope" if way == "one process" else tmp_path / "data"
    for part in ("blobs/b", "documents/default/d", "keys/k", "index/i", "uploads/u"):
        (data / part).parent.mkdir(parents=True, exist_ok=True)
        (data / part).write_text(part)
    (tmp_path / "backup").mkdir()
    (tmp_path / "bin").mkdir()
    tar = tmp_path / "bin" / "tar"
    tar.write_text(f'#!/bin/sh\n{shutil.which("tar")} "$@" && [ $1 = xf ] || exit {ends}\n')
    tar.chmod(0o755)

    def run(script):
        for folder in ("/data", "/to", "/from", "/backup"):
            here = tmp_path / ("data" if folder == "/data" else "backup")
            script = re.sub(rf"(?<![\w/.]){folder}(?!\w)", str(here), script)
        script = script.replace("chown -R 10001:10001", "test -d")
        environment = {**os.environ, "HOME": str(home), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", script], env=environment, check=False).returncode

    assert (run(backup) == 0) == (ends < 2)
    if ends < 2:
        shutil.rmtree(data)
        if way == "stack":
            data.mkdir()
        assert run(restore) == 0
        assert sorted(path.name for path in data.iterdir()) == ["blobs", "documents", "keys"]
        assert (data / "documents/default/d").read_text() == "documents/default/d"
