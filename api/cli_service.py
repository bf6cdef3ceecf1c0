"""`folioscope serve`, `verify`, `rebuild` and `bench`: commands about the installation itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from api.cli_output import OK, PARTIAL, Output, bytes_of, count, safe
from api.cli_settings import tell_misspelt
from worker.settings import Settings

_CHECKOUT = Path(__file__).parent.parent


def serve(output: Output, settings: Settings, *, json_logs: bool) -> int:
    from api.serve import serve as run
    from worker import logs, tracing

    logs.configure(settings.log_level, as_json=json_logs or settings.log_format == "json")
    tell_misspelt()

    tracing.configure("folioscope-api", settings.traces_url)

    def announce(url: str) -> None:
        if output.as_json:
            output.json({"url": url, "data_dir": str(settings.data_dir)})
        output.say(f"Folioscope is at {url} (data in {settings.data_dir}). Ctrl-C stops it.")

    run(settings, announce=announce)
    return OK


def verify(output: Output, settings: Settings) -> int:
    from worker import maintenance

    with output.upload_progress() as bar:
        task = bar.add_task("Hashing", total=None)
        result = maintenance.verify(
            settings, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    if output.as_json:
        output.json(asdict(result))
    for finding in result.findings:
        output.say(f"{finding.code}  {finding.subject}  {safe(finding.message)}", style="yellow")
    output.say(
        f"{count(result.documents, 'document')}, {count(result.pages, 'page')}, "
        f"{count(result.blobs, 'file')} of {bytes_of(result.bytes)}: "
        + (count(len(result.findings), "disagreement") if result.findings else "everything agrees")
        + (f"; {result.unfinished} still to be read" if result.unfinished else "")
    )
    return PARTIAL if result.findings else OK


def rebuild(output: Output, settings: Settings) -> int:
    from worker import maintenance

    with output.page_progress() as bar:
        task = bar.add_task("Reading again", total=None)
        show: Callable[[int, int], None] = lambda done, total: bar.update(task, completed=done, total=total or None)  # noqa: E731
        counts = maintenance.rebuild(settings, progress=show)
    if output.as_json:
        output.json({"pending": counts.pending, "done": counts.done, "failed": counts.failed, "total": counts.total})
    output.say(f"{counts.done} of {count(counts.total, 'page')} in the new index" + _failed(counts.failed))
    return PARTIAL if counts.failed else OK


def _failed(number: int) -> str:
    return f"; {number} failed" if number else ""


def bench(output: Output, arguments: Sequence[str]) -> int:
    """The project's benchmarks in a checkout; a short measurement of this installation elsewhere, or with --json."""
    if (_CHECKOUT / "benchmarks" / "__main__.py").is_file() and not output.as_json:
        command = [sys.executable, "-m", "benchmarks", *arguments]
        return subprocess.run(command, cwd=_CHECKOUT, check=False).returncode
    from api import bench as measurement

    return measurement.run(output)
