"""`folioscope eval`: measure search and answers with questions whose pages are known."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from api import evaluate
from api.cli_client import ApiError, Client
from api.cli_output import INTERRUPTED, OK, PARTIAL, Output, count, safe
from index.errors import InvalidRequest

_COLUMNS = {
    "questions": "questions",
    "recall_1": "recall@1",
    "recall_5": "recall@5",
    "ndcg_10": "nDCG@10",
    "page_right": "cited page",
    "quote_literal": "quote on page",
    "answer_quoted": "answer in quote",
    "not_found_precision": "not found: precision",
    "not_found_recall": "not found: recall",
    "pages_decoded": "decoded",
    "search_p95_ms": "search p95 ms",
    "first_p50_ms": "first words p50 ms",
    "first_p95_ms": "first words p95 ms",
    "answer_p50_ms": "answer p50 ms",
    "answer_p95_ms": "answer p95 ms",
}
_ANY_WIDTH = 10_000
_CELL_CHARS = 4
"""Of a share, `0.97`, and of most times."""


def read(path: Path) -> list[evaluate.KnownQuestion]:
    """The questions of a file: JSON Lines, or the ground truth of the sample archive; in UTF-8, or in UTF-16 with its
    mark, as some shells of Windows write what is redirected.
    """
    try:
        written = path.read_bytes()  # once: `<(grep …)` and /dev/stdin give it a single time
        wide = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = written.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from None
    if text.lstrip().startswith("{"):
        try:
            whole = json.loads(text)
        except ValueError:
            whole = None
        if isinstance(whole, dict) and "questions" in whole:
            return evaluate.read_questions(evaluate.from_truth(whole))
    # Not splitlines(): JSON may hold line ends of other kinds inside its strings.
    return evaluate.read_questions(re.split("\r\n?|\n", text))


async def run(
    client: Client, output: Output, questions: list[evaluate.KnownQuestion], misses: bool, *, rerank: bool = False
) -> int:
    outcomes: list[evaluate.Outcome] = []
    failed: list[evaluate.Failed] = []
    absent: list[evaluate.KnownPage] = []
    interrupted = False
    with output.page_progress("questions") as bar:
        task = bar.add_task("Asking", total=len(questions))

        def show(done: int) -> None:
            bar.update(task, completed=done)

        try:
            await evaluate.run(client, questions, show, rerank=rerank, outcomes=outcomes, failed=failed)
            with suppress(ApiError) if failed else nullcontext():  # what was measured is told also where it is away now
                absent = await evaluate.absent(client, outcomes)
        except asyncio.CancelledError:  # Ctrl-C: what hours of asking have measured is told all the same
            if not outcomes:
                raise
            interrupted = True
    rows = evaluate.rows(outcomes)
    for page in absent:
        output.note(f"not in the archive, so a miss: {safe(page.document)}, page {page.page}", style="yellow")
    for one in failed:
        if one.error is not None:
            output.note(f"no answer ({one.error.code}), so not counted: {safe(one.asked.question)}", style="yellow")
    if interrupted:
        output.note(f"interrupted: {count(len(questions) - len(outcomes) - len(failed), 'question')} not asked")
    if left := sum(one.error is None for one in failed):
        output.note(f"{count(left, 'question')} not asked any more, as none of the last was answered", style="yellow")
    if output.as_json:
        output.json({"rows": [asdict(row) for row in rows]})
    who = ", ".join(sorted({outcome.answerer for outcome in outcomes} - {""}))
    if not output.as_json:
        title = f"{count(len(outcomes), 'question')} answered by {who}"
        output.out.print(_table(rows, title, output.out), soft_wrap=False)
    if misses:
        for outcome in outcomes:
            if (outcome.found and not outcome.page_right) or (outcome.asked.pages and not outcome.found):
                said = "a wrong page" if outcome.found else "not found"
                rank = min(outcome.ranks, default=None)
                where = f"found at {rank}" if rank else f"not among the first {evaluate.DEPTH}"
                output.say(f"{said}; {where}: {safe(outcome.asked.question)}")
    return INTERRUPTED if interrupted else PARTIAL if failed else OK


def _table(rows: list[evaluate.Row], title: str, console: Console) -> Table:
    """A kind a row, or a kind a column where a terminal has no room for that."""
    kinds = [safe(row.kind) for row in rows]
    cells = {heading: [_cell(getattr(row, name)) for row in rows] for name, heading in _COLUMNS.items()}
    table = Table("kind", *_COLUMNS.values(), title=title)
    for line in zip(kinds, *cells.values(), strict=True):
        table.add_row(*line)
    if console.measure(table, options=console.options.update_width(_ANY_WIDTH)).maximum <= console.width:
        return table
    table = Table(Column("kind", no_wrap=True), title=title)
    for kind in kinds:
        table.add_column(kind, justify="right", overflow="fold", min_width=_CELL_CHARS)
    for heading, values in cells.items():
        table.add_row(heading, *values)
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.0f}" if value >= 10 else f"{value:.2f}"
