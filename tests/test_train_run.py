"""Training runs: going on exactly, states that survive, and what is measured."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.engine.deepseek.load import load_model
from worker.train.command import main
from worker.train.loop import Run, Settings
from worker.train.measure import held_out, measure, read, score
from worker.train.pages import Wanted
from worker.train.store import read_curve, read_state

QUICK = Settings(form="tiny", batches=8, rate=1e-3, warm_up=2, measure_every=0, save_minutes=1e9)


def _weights(run: Run) -> dict[str, torch.Tensor]:
    return dict(run.trainee.native.state_dict())


def _steps(run: Run, count: int) -> None:
    from worker.train.batches import Batches, stream

    data = Batches(run.curriculum, run.tokenizer, run.settings.seed)
    for batch in stream(data, run.batch, run.batch + count):
        run.step(run.trainee, batch)


def test_a_resumed_run_ends_in_the_same_weights(tmp_path):
    """Eight steps at once and twice four with a save and a load between give the same weights, average and moments."""
    whole = Run(tmp_path / "whole", QUICK)
    _steps(whole, 8)
    first = Run(tmp_path / "parts", QUICK)
    _steps(first, 4)
    first.save()
    second = Run(tmp_path / "parts", QUICK)
    assert second.batch == 4
    _steps(second, 4)
    mine, other = _weights(whole), _weights(second)
    assert all(torch.equal(mine[name], other[name]) for name in mine)
    assert all(torch.equal(whole.average[name], second.average[name]) for name in whole.average)
    kept, other_kept = whole._kept(), second._kept()
    assert kept.keys() == other_kept.keys()
    assert all(torch.equal(kept[name], other_kept[name]) for name in kept)
    assert whole.rate() == second.rate()


def test_weights_alone_are_enough_to_go_on(tmp_path):
    """Without the optimizer's state a run goes on from the weights at its place, warming up anew."""
    run = Run(tmp_path, QUICK)
    _steps(run, 4)
    run.save()
    (tmp_path / "state" / "training.safetensors").unlink()
    again = Run(tmp_path, QUICK)
    assert again.batch == again.warm_from == 4
    mine, other = _weights(run), _weights(again)
    assert all(torch.equal(mine[name], other[name]) for name in mine)
    assert again.rate() < run.rate()
    _steps(again, 1)


def test_a_carried_folder_goes_on_elsewhere(tmp_path):
    """What is carried is small and flat; a run in another folder goes on from it at its place, warming up anew."""
    run = Run(tmp_path / "here", replace(QUICK, carry_out=tmp_path / "carried"))
    _steps(run, 4)
    run.save()
    files = list((tmp_path / "carried").iterdir())
    assert len(files) <= 8
    assert all(path.is_file() and path.stat().st_size < 16 << 20 for path in files)
    there = Run(tmp_path / "there", replace(QUICK, carry_in=tmp_path / "carried"))
    assert there.batch == there.warm_from == 4
    for name, weight in there.trainee.native.state_dict().items():
        assert torch.equal(weight, run.average[name].bfloat16().float()), name
    for name, weight in there.trainee.heads.state_dict().items():
        assert torch.equal(weight, run.trainee.heads.state_dict()[name].bfloat16().float()), name
    _steps(there, 1)


def test_another_number_of_batches_keeps_the_place(tmp_path):
    """A run that is stretched to twice the batches goes on at the same part of its curriculum."""
    run = Run(tmp_path, QUICK)
    _steps(run, 2)
    run.save()
    assert Run(tmp_path, Settings(form="tiny", batches=16, measure_every=0)).batch == 4


def test_a_run_made_shorter_warms_up_from_its_place(tmp_path):
    """Where it began to warm up is a place of the curriculum too: the rate is never below 0."""
    run = Run(tmp_path, QUICK)
    _steps(run, 3)
    run.warm_from = run.batch
    run.save()
    shorter = Run(tmp_path, Settings(form="tiny", batches=QUICK.batches // 2, measure_every=0, warm_up=100))
    assert shorter.warm_from == shorter.batch
    assert shorter.rate() > 0


def test_train_writes_a_checkpoint_that_loads(tmp_path):
    """A whole run leaves a checkpoint that the engine's loader takes, a curve, and a state at its end."""
    settings = Settings(form="tiny", batches=50, warm_up=2, measure_every=25, measured_pages=2)
    Run(tmp_path, settings).train()
    loaded = load_model(tmp_path / "checkpoint", device="cpu")
    pages = held_out(Wanted(128, 12, (24, 30), 0.2, 0.0), 2, faces_too=True)
    texts = read(loaded.model, loaded.tokenizer, np.stack([page.pixels for page in pages]), 6)
    assert len(texts) == 2
    kinds = [row["kind"] for row in read_curve(tmp_path)]
    assert kinds.count("train") == 2
    assert kinds.count("held-out text") == kinds.count("held-out faces") == 2
    assert read_state(tmp_path).progress["batch"] == 50
    assert read_state(tmp_path).progress["samples"] == 50 * 4


def test_the_last_whole_state_is_found(tmp_path):
    """A run killed between its two renames is found again under the old state's name."""
    run = Run(tmp_path, QUICK)
    run.save()
    shutil.move(tmp_path / "state", tmp_path / "state.old")
    assert read_state(tmp_path) is not None
    shutil.rmtree(tmp_path / "state.old")
    assert read_state(tmp_path) is None


def test_a_run_is_shipped(tmp_path):
    """The command copies the checkpoint in place of another, with hashes by which the package knows it."""
    from worker.engine.mini import packaged

    run, target = tmp_path / "run", tmp_path / "mini"
    main(["run", str(run), "--form", "tiny", "--batches", "1", "--measure-every", "0"])
    target.mkdir()
    (target / "model-old.safetensors").write_bytes(b"old")
    (target / "README.md").write_text("card")
    main(["ship", str(run), "--to", str(target)])
    shipped = packaged(target)
    names = {path.name for path in shipped.iterdir()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors", "sha256.json", "README.md"}
    loaded = load_model(shipped, device="cpu")
    assert loaded.kind == "mini"


def test_minutes_end_a_piece(tmp_path):
    """A piece of a run ends when its minutes are over, after the batch at hand, and its state is there."""
    Run(tmp_path, Settings(form="tiny", batches=1000, minutes=1e-9, measure_every=0)).train()
    assert read_state(tmp_path).progress["batch"] == 1


@pytest.mark.slow
def test_sigterm_saves(tmp_path):
    """A run that is told to end saves what it has and ends well."""
    command = [sys.executable, "-m", "worker.train", "run", str(tmp_path), "--form", "tiny", "--batches", "100000"]
    with subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 240
        while not (tmp_path / "curve.jsonl").exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=240)
    assert process.returncode == 0
    assert json.loads((tmp_path / "state" / "progress.json").read_text())["batch"] >= 25


def test_command_runs_a_piece(tmp_path):
    """The command trains what it is told to and leaves its state."""
    main(["run", str(tmp_path), "--form", "tiny", "--batches", "2", "--measure-every", "0"])
    assert read_state(tmp_path).progress["batch"] == 2


def test_score_counts_errors_where_they_are():
    """Errors in unguessable strings are counted apart, words are right only when whole, spaces are all alike."""
    text = "see AB-12 now\nplease"
    known = np.array([not 4 <= at < 9 for at in range(len(text))])
    perfect = score([(text, known)], ["see  AB-12\nnow please"])
    assert (perfect.cer, perfect.unguessable, perfect.words) == (0, 0, 1)
    wrong = score([(text, known)], ["see AB-72 now please"])
    assert wrong.cer == pytest.approx(1 / 20)
    assert wrong.unguessable == pytest.approx(1 / 5)
    assert wrong.words == pytest.approx(3 / 4)
    elsewhere = score([(text, known)], ["see AB-12 no please"])
    assert elsewhere.unguessable == 0
    assert elsewhere.words == pytest.approx(3 / 4)
    assert score([(text, known)], [""]).cer == 1


def test_measure_knows_a_bad_reader(tmp_path):
    """An untrained model is measured as what it is."""
    run = Run(tmp_path, QUICK)
    pages = held_out(Wanted(128, 16, (24, 30), 0.5, 0.0), 2, faces_too=False)
    found = measure(run.trainee.native.eval(), run.tokenizer, pages)
    assert found.pages == 2
    assert found.cer > 0.5
    assert found.words < 0.5
