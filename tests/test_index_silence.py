"""What Folioscope uses reports to nobody that it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Every module of ours through which OpenVINO comes into a process.
MODULES = (
    *("index.embedder_convert", "index.embedder_int8", "index.embedder_st", "index.graphs", "index.judge_convert"),
    *("index.judge_model", "worker.engine.detect", "worker.engine.network", "worker.engine.quantise"),
    *("worker.engine.rapidocr", "worker.engine.recognise"),
)


@pytest.mark.parametrize("module", MODULES)
def test_openvino_has_nobody_to_tell(module):
    """Its telemetry is not there before OpenVINO is, in whatever order a process imports what it needs."""
    code = f"import {module}, openvino, sys; sys.exit('openvino_telemetry.main' in sys.modules)"
    environment = {"PATH": "", "HOME": "/nonexistent"}  # as on no build machine, where it is silent anyway
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_module_is_left_out():
    """All that name OpenVINO are in the list."""
    found = set()
    for package in ("api", "worker", "ingest", "index"):
        for path in (ROOT / package).rglob("*.py"):
            if any(
                line.strip().startswith(("import openvino", "from openvino")) for line in path.read_text().splitlines()
            ):
                found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert found == set(MODULES)
