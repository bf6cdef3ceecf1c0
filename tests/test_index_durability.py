"""What was acknowledged is there after SIGKILL, at whatever moment it came."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from index_kit import NOW, HashEmbedder, labels

from index.errors import StoreUnavailable
from index.store_edge import EdgeStore
from index.types import PageKey, PageState

HERE = Path(__file__).parent


def _writer(directory: Path, seed: int, first: int) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    command = [sys.executable, str(HERE / "index_writer.py"), str(directory), str(seed), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _expected(lines: list[str], state: dict[str, dict[int, tuple[str, int]]]) -> None:
    """Fold acknowledgements into {document: {page: (state, attempts)}}."""
    for line in lines:
        kind, *rest = line.split()
        if kind == "pending":
            state[rest[0]] = dict.fromkeys(range(1, 5), ("pending", 0))
        elif kind == "attempt":
            state[rest[0]] = dict.fromkeys(range(1, 5), ("pending", 1))
        elif kind == "done":
            state[rest[0]][int(rest[1])] = ("done", 1)
        elif kind == "failed":
            state[rest[0]][4] = ("failed", 1)
        elif kind == "deleted":
            state[rest[0]] = {}


@pytest.mark.slow
def test_acknowledged_changes_survive_sigkill(tmp_path):
    """Eight kills at random moments: every acknowledged insert, attempt, commit, failure and deletion is there."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    directory = tmp_path / "index"
    state: dict[str, dict[int, tuple[str, int]]] = {}
    documents = 0
    for life in range(8):
        process = _writer(directory, seed + life, documents)
        assert process.stdout.readline() == "open\n"
        # After so many acknowledgements, and a moment: however slow the machine, the writer gets somewhere.
        told = [process.stdout.readline() for _ in range(chance.randrange(40, 120) if life else chance.randrange(8))]
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        lines = "".join([*told, process.stdout.read()]).splitlines()
        process.wait()
        lines = lines[: len(lines) if not lines or lines[-1].count(" ") else len(lines) - 1]
        _expected(lines, state)
        documents = 1 + max((int(name.split("-")[1]) for name in state), default=documents)
        store = EdgeStore.open(directory, HashEmbedder())
        for name, pages in state.items():
            points = store.get([PageKey("t", name, page) for page in range(1, 5)])
            last = name == f"doc-{documents - 1}"
            for number, point in enumerate(points, start=1):
                if number not in pages:
                    assert point is None, f"{name} was deleted"
                    continue
                if last and point is None:
                    # The kill may have come between the deletion and its acknowledgement.
                    assert pages[4][0] == "failed"
                    continue
                assert point is not None, f"{name} page {number} is lost"
                wanted_state, attempts = pages[number]
                if not last:  # one more change may have happened unseen in the document at work
                    assert (point.state.value, point.attempts) == (wanted_state, attempts)
                elif wanted_state != "pending":
                    assert point.state.value in {wanted_state, "failed"}
                if point.state is PageState.DONE:
                    assert point.text.startswith(f"{name} page {number} ")
                    assert point.passages
        if life == 4:
            assert store.search("t", "lorem", _everything(), limit=3)
        store.close()
        # What the kill left half said is settled by what is there now.
        last = f"doc-{documents - 1}"
        if last in state:
            store = EdgeStore.open(directory, HashEmbedder())
            store.delete("t", last)
            store.close()
            state[last] = {}
    assert sum(bool(pages) for pages in state.values()) > 8, "the writer got nowhere: the test proves nothing"


def test_a_second_process_is_told_who_has_the_index(tmp_path):
    """Opening a store that another process has is StoreUnavailable, with that process's number."""
    process = _writer(tmp_path / "index", 1, 0)
    try:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreUnavailable, match=str(process.pid)):
            EdgeStore.open(tmp_path / "index", HashEmbedder())
    finally:
        process.kill()
        process.communicate()


def test_a_half_made_index_is_made_again(tmp_path):
    """A kill while the index is first made leaves a directory without index.json: opening starts afresh."""
    EdgeStore.open(tmp_path / "index", HashEmbedder()).close()
    (tmp_path / "index" / "index.json").unlink()
    store = EdgeStore.open(tmp_path / "index", HashEmbedder())
    store.add_pending([PageKey("t", "d", 1)], labels(), NOW)
    assert store.count("t").pending == 1
    store.close()


def _everything():
    from index.types import SearchFilter

    return SearchFilter()
