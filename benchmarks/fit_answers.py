"""Refit the weights of `worker/answer/judged.py`, or `--without-judge` those of `worker/answer/model.py`: a conditional
logit with "no answer" as one more choice.

    python -m benchmarks.fit_answers [--without-judge] [--ridge 0.002] [--towards WEIGHTS.json]

With `--towards` the ridge draws to the weights in that file (`{"BIAS": ..., "meaning": ...}`) and not to zero.

For each question the answerer's own evidence is collected (through search over the archive, as in the service). A
question with an answer should choose a candidate that holds it, and (half the weight) at least one on the right
page; a question without should choose "no answer", whose score is 0. Used are the development archives and the
`tune` half of the samples, never the `report` half. Printed: the weights, the threshold with the highest sum of
right pages and right refusals, and both shares on each archive when it was left out of the fit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.answering_sets import AskedArchive, development, sample, users
from benchmarks.finding import Archive
from benchmarks.finding_texts import CACHE
from benchmarks.report import table
from index.embedder_st import build_embedder
from index.judge_model import SentenceJudge
from index.store_edge import StoreConfig
from index.types import SearchFilter
from worker.answer import judged, model
from worker.answer.asking import read_question
from worker.answer.features import FEATURES
from worker.answer_extractive import ExtractiveAnswerer

PAGES = 8
JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Case:
    """One question: rows `(candidates, features)`, which hold the answer, which are on its page."""

    archive: str
    rows: np.ndarray
    holds: np.ndarray
    on_page: np.ndarray
    answerable: bool


def collect(archive: AskedArchive, answerer: ExtractiveAnswerer, embedder, splits: set[str]) -> list[Case]:
    cases = []
    with tempfile.TemporaryDirectory() as root:
        held = Archive(Path(root), archive.pages, embedder, StoreConfig())
        for asked in archive.questions:
            if asked.split not in splits or read_question(asked.question).lookup:
                continue
            hits = held.store.search("bench", asked.question, SearchFilter(), limit=PAGES)
            pages = [(h, p) for h, p in zip(hits, held.store.get([h.key for h in hits]), strict=True) if p]
            evidence = answerer.evidence(asked.question, pages)
            holds, on_page = [], []
            for e in evidence:
                page = pages[e.candidate.page][1]
                right = (page.key.document_id, page.key.page) in asked.places
                at = page.text.find(asked.answer) if right else -1
                on_page.append(right)
                holds.append(at >= 0 and e.candidate.start < at + len(asked.answer) and at < e.candidate.end)
            rows = np.array([[*e.row, e.odds] for e in evidence]).reshape(-1, len(FEATURES) + 1)
            cases.append(Case(archive.name, rows, np.array(holds), np.array(on_page), bool(asked.places)))
        held.store.close()
    return cases


def fit(
    cases: list[Case], names: Sequence[str], ridge: float, towards: dict[str, float] | None = None
) -> tuple[np.ndarray, float]:
    """Weights and bias of the highest likelihood, less `ridge` times their squared distance from `towards` or, without
    it, the squared weights. `names` are those of the cases' columns.
    """
    before = towards or {}
    prior = torch.tensor([before.get(name, 0.0) for name in names], dtype=torch.float64)
    weights = prior.clone().requires_grad_()
    bias = torch.full((1,), before.get("BIAS", 0.0), dtype=torch.float64, requires_grad=True)
    rows, there, rights = _padded([c for c in cases if len(c.rows)])
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        scores = (rows @ weights + bias).masked_fill(~there, -torch.inf)
        everything = torch.logsumexp(functional.pad(scores, (0, 1)), 1)
        total = torch.zeros(1, dtype=torch.float64)
        for which, right, worth in rights:
            total = total + worth * everything[which].sum()
            if right is not None:
                total = total - worth * torch.logsumexp(scores[which].masked_fill(~right, -torch.inf), 1).sum()
        total = total / len(rows) + ridge * ((weights - prior) ** 2).sum()
        if towards:
            total = total + ridge * (bias - before.get("BIAS", 0.0)) ** 2
        total.backward()
        return total

    optimiser.step(loss)
    return weights.detach().numpy(), float(bias.detach())


def _padded(cases: Sequence[Case]) -> tuple[torch.Tensor, torch.Tensor, list[tuple[np.ndarray, Any, float]]]:
    """All rows `(cases, most candidates, features)` and which of them there are. And what should be chosen: numbers of
    cases, which of their candidates are right (None: no answer is), and what it is worth.
    """
    most, width = max(len(c.rows) for c in cases), cases[0].rows.shape[1]
    rows = np.zeros((len(cases), most, width))
    there, holds, on_page = (np.zeros((len(cases), most), bool) for _ in range(3))
    for n, c in enumerate(cases):
        rows[n, : len(c.rows)] = c.rows
        there[n, : len(c.rows)], holds[n, : len(c.rows)], on_page[n, : len(c.rows)] = True, c.holds, c.on_page
    answerable = np.array([c.answerable for c in cases])
    rights: list[tuple[np.ndarray, Any, float]] = [(np.flatnonzero(~answerable), None, 1.0)]
    for right in (holds, on_page):  # where search did not bring the page there is nothing to learn
        which = np.flatnonzero(answerable & right.any(axis=1))
        rights.append((which, torch.from_numpy(right[which]), 0.5))
    return torch.from_numpy(rows), torch.from_numpy(there), rights


def outcomes(cases: list[Case], weights: np.ndarray, bias: float) -> np.ndarray:
    """`(cases, 4)`: best score, answerable, its page is right, it holds the answer."""
    out = []
    for c in cases:
        scores = c.rows @ weights + bias if len(c.rows) else np.array([-99.0])
        best = int(np.argmax(scores))
        out.append((scores[best], c.answerable, len(c.rows) and c.on_page[best], len(c.rows) and c.holds[best]))
    return np.array(out, float)


def shares(o: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """(right page of the answerable, quote holds the answer, right refusals)."""
    answerable, found = o[:, 1] == 1, o[:, 0] >= threshold
    return (
        float((found & (o[:, 2] == 1))[answerable].mean()),
        float((found & (o[:, 3] == 1))[answerable].mean()),
        float((~found)[~answerable].mean()),
    )


def best_threshold(o: np.ndarray) -> float:
    grid = np.arange(-3, 2, 0.05)
    gains = np.array([sum(np.array(shares(o, t))[[0, 2]]) for t in grid])
    smooth = np.convolve(np.pad(gains, 3, mode="edge"), np.ones(7) / 7, "valid")
    return round(float(grid[int(np.argmax(smooth))]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ridge", type=float, default=0.002)
    parser.add_argument("--towards", type=Path)
    parser.add_argument("--without-judge", action="store_true")
    arguments = parser.parse_args()
    towards = json.loads(arguments.towards.read_text()) if arguments.towards else None
    embedder = build_embedder(None, CACHE / "models")
    judge = None if arguments.without_judge else SentenceJudge(CACHE / "models")
    answerer = ExtractiveAnswerer(embedder, judge)
    cases = [c for a in (*development(), *users()) for c in collect(a, answerer, embedder, {"dev"})]
    cases += collect(sample(), answerer, embedder, {"tune"})
    names = tuple(model.WEIGHTS) if judge is None else (*judged.WEIGHTS, JUDGE)
    columns = [(*FEATURES, JUDGE).index(name) for name in names]
    cases = [replace(c, rows=c.rows[:, columns]) for c in cases]
    left_out = {}
    for name in dict.fromkeys(c.archive for c in cases):
        weights, bias = fit([c for c in cases if c.archive != name], names, arguments.ridge, towards)
        left_out[name] = outcomes([c for c in cases if c.archive == name], weights, bias)
    threshold = best_threshold(np.concatenate(list(left_out.values())))
    rows = [[name, len(o), *shares(o, threshold)] for name, o in left_out.items()]
    everything = np.concatenate(list(left_out.values()))
    rows.append(["all", len(everything), *shares(everything, threshold)])
    print(table(["left out", "questions", "page right", "quote right", "refusals right"], rows))
    weights, bias = fit(cases, names, arguments.ridge, towards)
    print(
        f"\nBIAS = {bias:.2f}\nTHRESHOLD = {threshold}\nWEIGHTS =",
        {name: round(float(w), 2) for name, w in zip(names, weights, strict=True)},
    )


if __name__ == "__main__":
    main()
