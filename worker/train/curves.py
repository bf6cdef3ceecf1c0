"""A run's curve as a Markdown table and as a plot (matplotlib, in the extra `train`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index.errors import ConfigError
from worker.train.store import read_curve

_COLUMNS = (
    ("batch", "batches"),
    ("samples", "pages"),
    ("minutes", "minutes"),
    ("text", "text loss"),
    ("text_accuracy", "next token right"),
    ("patch_accuracy", "letters, patches"),
    ("token_accuracy", "letters, vision tokens"),
    ("pointer", "pointer loss"),
)
_JUDGED = (("held-out text", "CER, held-out text"), ("held-out faces", "CER, held-out text and faces"))


def table(run: Path, rows: int = 12) -> str:
    """About `rows` lines, evenly spread, each with the last measurement of held-out pages before it."""
    curve = read_curve(run)
    trained = [row for row in curve if row["kind"] == "train"]
    if not trained:
        return "no measurements yet\n"
    step = max(1, len(trained) // rows)
    chosen = trained[::-1][::step][::-1]
    lines = [
        "| " + " | ".join([*(name for _, name in _COLUMNS), *(name for _, name in _JUDGED)]) + " |",
        "|" + "---|" * (len(_COLUMNS) + len(_JUDGED)),
    ]
    for row in chosen:
        cells = [str(row.get(key) or "") for key, _ in _COLUMNS]  # 0.0: that part of the network rested
        for kind, _ in _JUDGED:
            before = [other for other in curve if other["kind"] == kind and other["samples"] <= row["samples"]]
            cells.append(f"{before[-1]['cer']:.3f}" if before else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(runs: Sequence[Path], picture: Path) -> None:
    """Letters at patches and vision tokens, next tokens and error rates over pages seen; one colour for each run.

    Raises `ConfigError` (`not_installed`) without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'folioscope[train]'", code="not_installed") from error

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = (
        ("patch_accuracy", "letters right, at SAM's patches"),
        ("token_accuracy", "letters right, at vision tokens"),
        ("text_accuracy", "next token right (teacher forced)"),
        ("cer", "character error rate (greedy, held out)"),
    )
    figure, grid = plt.subplots(2, 2, figsize=(10, 6.5), constrained_layout=True)
    for axes, (key, title) in zip(grid.flat, panels, strict=True):
        for number, run in enumerate(runs):
            _lines(axes, read_curve(run), key, run.name, f"C{number}")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1)
        axes.set_xlabel("pages seen", fontsize=8)
        axes.grid(alpha=0.3)
    grid.flat[0].legend(fontsize=8)
    grid.flat[3].legend(fontsize=7)
    figure.savefig(picture, dpi=90)
    plt.close(figure)


def _lines(axes: Any, curve: Sequence[dict[str, Any]], key: str, name: str, colour: str) -> None:
    if key != "cer":
        rows = [row for row in curve if row.get(key)]
        axes.plot([row["samples"] for row in rows], [row[key] for row in rows], color=colour, label=name)
        return
    for kind, style in (("held-out text", "-"), ("held-out faces", "--")):
        rows = [row for row in curve if row["kind"] == kind]
        axes.plot(
            [row["samples"] for row in rows],
            [row["cer"] for row in rows],
            style,
            marker=".",
            color=colour,
            label=f"{name}, {kind}",
        )
