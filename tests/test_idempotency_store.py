"""What is kept of requests with an `Idempotency-Key`: one holder of a key, whatever is killed, damaged or too old."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from index.errors import Conflict, StorageFull
from worker.idempotency import IdempotencyKeys, Stored


def test_one_holder_of_many(tmp_path):
    """Of threads and processes that want a key at once one gets it; each finds what the one before left."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    keys = [IdempotencyKeys(tmp_path) for _ in range(4)]
    held, most, done = [0], [0], []
    guard = threading.Lock()

    def work(pause):
        for _ in range(20):
            try:
                claim = draw.choice(keys).claim("t", "op", "key")
            except Conflict:
                continue
            with guard:
                held[0] += 1
                most[0] = max(most[0], held[0])
            if claim.check("f") is None:
                time.sleep(pause)
                claim.begin("f", "00", found=False)
                claim.finish(Stored(200, {}, b"x"))
                done.append(1)
            with guard:
                held[0] -= 1
            claim.close()

    threads = [threading.Thread(target=work, args=(draw.random() / 100,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], len(done)) == (1, 1)
    assert not list(tmp_path.glob("*/*.lock"))


def test_a_killed_process_lets_go(tmp_path):
    """Its key is free at once, and what it had begun is known."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom worker.idempotency import IdempotencyKeys\n"
        "claim = IdempotencyKeys(Path(sys.argv[1])).claim('t', 'op', 'key')\nclaim.begin('f', '00', found=True)\n"
        "print('held', flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    keys = IdempotencyKeys(tmp_path)
    with pytest.raises(Conflict):
        keys.claim("t", "op", "key")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    claim = keys.claim("t", "op", "key")
    assert claim.check("f") is None
    assert claim.begin("f", "00", found=False) is True
    claim.close()


def test_kept_for_its_time_and_pruned(tmp_path):
    """Then the key is new again; what nobody holds is removed, what somebody holds is not."""
    now = [1e9]
    keys = IdempotencyKeys(tmp_path, keep_s=100, clock=lambda: now[0])
    claim = keys.claim("t", "op", "key")
    claim.begin("f", "00")
    claim.finish(Stored(200, {"A": "b"}, b"\xff"))
    claim.close()
    assert oct(next(tmp_path.glob("*/*.answer")).stat().st_mode)[-3:] == "600"
    now[0] += 99
    again = keys.claim("t", "op", "key")
    assert again.check("f") == Stored(200, {"A": "b"}, b"\xff")
    again.close()
    now[0] += 2
    later = keys.claim("t", "op", "key")
    assert later.check("another") is None
    now[0] = time.time() + 1000
    assert keys.sweep() == 2
    assert list(tmp_path.glob("*/*.lock"))
    later.close()
    assert list(tmp_path.glob("*/*")) == []


def test_what_is_not_too_old_is_not_pruned(tmp_path):
    """Its answer is given to the end of its time, however often is tidied up."""
    now = [time.time()]
    keys = IdempotencyKeys(tmp_path, keep_s=100, clock=lambda: now[0])
    claim = keys.claim("t", "op", "key")
    claim.begin("f", "00")
    claim.finish(Stored(200, {}, b"one"))
    claim.close()
    now[0] += 50
    assert keys.sweep() == 0
    again = keys.claim("t", "op", "key")
    assert again.check("f") == Stored(200, {}, b"one")
    again.close()


def test_a_full_disk_is_told_before_anything_is_taken(tmp_path, monkeypatch):
    """Also where not even an empty file can be made any more."""

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    keys = IdempotencyKeys(tmp_path)
    keys.claim("t", "op", "key").close()
    monkeypatch.setattr("worker.idempotency.os.open", full)
    with pytest.raises(StorageFull):
        keys.claim("t", "op", "key")


def test_an_answer_that_was_given_is_not_given_up(tmp_path):
    """Whatever breaks after it was kept: it is given again."""
    keys = IdempotencyKeys(tmp_path)
    claim = keys.claim("t", "op", "key")
    claim.begin("f", "00")
    claim.finish(Stored(201, {}, b"one"))
    claim.give_up()
    claim.close()
    again = keys.claim("t", "op", "key")
    assert again.check("f") == Stored(201, {}, b"one")
    again.close()


def test_a_key_that_was_let_go_as_it_was_taken(tmp_path, monkeypatch):
    """The lock of one who opened the file before its holder removed it would be on nothing that others see."""
    keys = IdempotencyKeys(tmp_path)
    before = keys.claim("t", "op", "key")
    flock = fcntl.flock

    def late(handle, how):
        before.close()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    mine = keys.claim("t", "op", "key")
    monkeypatch.undo()
    with pytest.raises(Conflict):
        keys.claim("t", "op", "key")
    mine.close()


def test_a_damaged_record_is_none(tmp_path):
    """The request is done again, as without a key, instead of failing for a day."""
    keys = IdempotencyKeys(tmp_path)
    claim = keys.claim("t", "op", "key")
    claim.begin("f", "00")
    claim.close()
    next(tmp_path.glob("*/*.json")).write_text(json.dumps({"fingerprint": 1}))
    claim = keys.claim("t", "op", "key")
    assert claim.check("f") is None
    claim.close()
