"""The command `folioscope`.

Exit codes: 0 all is well; 1 an error (one line on stderr); 2 wrong usage; 3 nothing was found, or a part failed while
the rest went well; 130 interrupted. `--json` puts JSON on stdout and everything else on stderr.

Everything heavy is imported inside the commands, so that `--help` is there at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli_groups import keys, webhooks
from api.cli_options import Moment, NamedPath, WholeRange, is_unicode
from api.cli_options import as_json as _json
from api.cli_options import data as _data
from api.cli_options import output as _output
from api.cli_options import talks as _talks
from api.cli_options import url as _url
from api.cli_settings import settings as _settings
from api.config import version

if TYPE_CHECKING:
    from api.cli_client import Client
    from api.cli_output import Output

# Errors of the machine, and no bug of ours: a disk that is full or broken, a file that this user may not touch, a name
# that no file can have.
_NAMED = ("ENOSPC", "EDQUOT", "EIO", "EFBIG", "EACCES", "EPERM", "EROFS", "ENAMETOOLONG")
_MACHINE = {getattr(errno, name) for name in _NAMED}

Command = TypeVar("Command", bound=Callable[..., Any])


def _filters(command: Command) -> Command:
    for option in (
        click.option("--to", "created_to", type=Moment(), help="Only documents added until then, that day included."),
        click.option("--from", "created_from", type=Moment(), help="Only documents added since."),
        click.option(
            "--type",
            "media_types",
            multiple=True,
            help="Only this type: pdf, png, jpeg, webp, tiff, or a media type (repeatable).",
        ),
        click.option("--document", "document_ids", multiple=True, help="Only this document (repeatable)."),
        click.option("--folder", help="Only this folder of archives, with all below it."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version())
def cli() -> None:
    """Search and question archives of scanned pages."""


cli.add_command(keys)
cli.add_command(webhooks)


@cli.command()
@click.option("--host", help="Address to listen on (FOLIOSCOPE_HOST).")
@click.option("--port", type=WholeRange(0, 65535), help="Port; 0 takes a free one (FOLIOSCOPE_PORT).")
@click.option("--json-logs", is_flag=True, help="Log lines as JSON.")
@_data
@_json
def serve(**options: Any) -> int:
    """Serve the API and the web page until Ctrl-C."""
    from api import cli_service

    settings = _settings(options["data"], host=options["host"], port=options["port"])
    return cli_service.serve(_output(options), settings, json_logs=options["json_logs"])


@cli.command()
@_url
@_data
def mcp(url: str | None, data: Path | None) -> int:
    """Offer the archive to assistants as an MCP server. It speaks on standard input and output."""
    from api import cli_mcp

    return cli_mcp.run(url, _settings(data))


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=NamedPath())
@click.option("--password", envvar="FOLIOSCOPE_PASSWORD", help="Opens encrypted PDFs; `-` asks for it.")
@click.option("--text-layer", type=click.Choice(["auto", "never"]), help="Use trustworthy text layers, or never.")
@click.option("--no-wait", is_flag=True, help="Do not wait until everything is read.")
@click.option("--follow-symlinks", is_flag=True, help="Take along what links in a folder lead to.")
@_talks
def add(paths: Sequence[Path], **options: Any) -> int:
    """Add files, and folders with all below them."""
    from api import cli_documents

    password = options["password"]
    if password == "-":  # noqa: S105
        password = click.prompt("Password", hide_input=True, err=True)
    return _run(
        options,
        lambda client, output: cli_documents.add(
            client,
            output,
            paths,
            password=password,
            text_layer=options["text_layer"],
            wait=not options["no_wait"],
            follow_links=options["follow_symlinks"],
        ),
        makes=True,
    )


@cli.command()
@_talks
def ls(**options: Any) -> int:
    """List documents, newest first."""
    from api import cli_documents

    return _run(options, cli_documents.ls)


@cli.command()
@click.argument("query")
@click.option("--limit", type=WholeRange(1, 100), default=10, show_default=True)
@click.option("--group", is_flag=True, help="By document.")
@click.option("--rerank", is_flag=True, help="Have the first pages read together with the query: slower, better order.")
@_filters
@_talks
def search(query: str, limit: int, rerank: bool, **options: Any) -> int:
    """Find pages by meaning and by words. "Quoted" words are found as an exact phrase."""
    from api import cli_questions

    request = {"query": query, "limit": limit, "group_by_document": options["group"], "filter": _filter(options)}
    request |= {"rerank": True} if rerank else {}  # which an older service does not know
    return _run(options, lambda client, output: cli_questions.search(client, output, request))


@cli.command()
@click.argument("question")
@click.option("--verify", is_flag=True, help="Decode the cited pages again and compare their quotes.")
@_filters
@_talks
def ask(question: str, verify: bool, **options: Any) -> int:
    """Answer a question with quotations and their pages."""
    from api import cli_questions

    request = {"question": question, "verify": verify, "filter": _filter(options)}
    return _run(options, lambda client, output: cli_questions.ask(client, output, request))


@cli.command(name="eval")
@click.argument("questions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--misses", is_flag=True, help="List the questions that went wrong.")
@click.option("--rerank", is_flag=True, help="Measure search with its first pages read together with the question.")
@_talks
def evaluate(questions: Path, misses: bool, rerank: bool, **options: Any) -> int:
    """Measure search and answers with questions of your own. JSON Lines say which pages answer each."""
    from api import cli_eval

    known = cli_eval.read(questions)
    return _run(options, lambda client, output: cli_eval.run(client, output, known, misses, rerank=rerank))


@cli.command()
@click.argument("document_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_talks
def rm(document_ids: Sequence[str], yes: bool, **options: Any) -> int:
    """Delete documents, archives with their members."""
    from api import cli_documents

    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Without a terminal to ask on, deleting needs --yes.")
        many = "this document" if len(document_ids) == 1 else f"these {len(document_ids)} documents"
        if not click.confirm(f"Delete {many} and everything read from it?", err=True):
            click.echo("Nothing was deleted.", err=True)
            return 1
    return _run(options, lambda client, output: cli_documents.rm(client, output, document_ids))


@cli.command(name="read-again")
@click.argument("document_ids", metavar="[ID...]", nargs=-1)
@click.option("--page", type=WholeRange(1), help="Only this page; of one document.")
@click.option("--all", "everything", is_flag=True, help="Pages that were read too.")
@click.option("--failed", is_flag=True, help="Everything that failed, of all documents.")
@_talks
def read_again(document_ids: Sequence[str], page: int | None, everything: bool, failed: bool, **options: Any) -> int:
    """Try again what could not be read."""
    from api import cli_documents

    if failed and (document_ids or page is not None or everything):
        raise click.UsageError("--failed is of all documents and stands alone.")
    if not failed and not document_ids:
        raise click.UsageError("Name documents, or give --failed for everything that failed.")
    if failed:
        return _run(options, cli_documents.read_failed_again)
    if page is not None and len(document_ids) > 1:
        raise click.UsageError("--page is of one document.")
    return _run(
        options,
        lambda client, output: cli_documents.read_again(client, output, document_ids, page=page, everything=everything),
    )


@cli.command()
@click.option(
    "--queues", default="housekeeping,read.cpu", show_default=True, help="Of decode, housekeeping, read.cpu, read.gpu."
)
@click.option("--threads", type=WholeRange(0, 256), default=0, help="Jobs at once; 0: FOLIOSCOPE_READERS.")
@click.option("--name", help="Tells workers of one machine apart; without it the host's name.")
@click.option("--json-logs", is_flag=True, help="Log lines as JSON.")
@_data
def worker(queues: str, threads: int, name: str | None, json_logs: bool, data: Path | None) -> int:
    """Read pages for the full stack until SIGTERM. Needs FOLIOSCOPE_BROKER_URL."""
    from api import cli_stack

    return cli_stack.worker(_settings(data), queues=queues, threads=threads, name=name, json_logs=json_logs)


@cli.command()
@click.argument("part", type=click.Choice(["api", "worker"]))
@click.option("--name", help="The worker's, as it was started with.")
@_data
@_url
@_json
def health(part: str, name: str | None, **options: Any) -> int:
    """Say whether the API, or a worker, does its work. For health checks of containers."""
    from api import cli_stack

    return cli_stack.health(_output(options), _settings(options["data"]), part=part, url=options["url"], name=name)


@cli.command()
@_data
@_json
def verify(**options: Any) -> int:
    """Hash all files again and compare documents, pages and index. The service must not run; the full stack may."""
    from api import cli_service

    return cli_service.verify(_output(options), _settings(options["data"]))


@cli.command()
@_data
@_json
def rebuild(**options: Any) -> int:
    """Make the index anew from the originals. The service must not run."""
    from api import cli_service

    return cli_service.rebuild(_output(options), _settings(options["data"]))


@cli.command()
@click.argument("document_id", metavar="ID")
@click.argument("page", type=WholeRange(1))
@click.option("--task", type=click.Choice(["markdown", "ocr", "text", "figure", "describe"]), help="What to do.")
@click.option("--prompt", help="Instead of a task, words of your own.")
@_talks
def decode(document_id: str, page: int, task: str | None, prompt: str | None, **options: Any) -> int:
    """Read a page again from its stored vision tokens. Another prompt may be used."""
    from api import cli_vision

    if task and prompt:
        raise click.UsageError("Give --task or --prompt, not both.")
    request = {"prompt": prompt} if prompt else {"task": task or "markdown"}
    return _run(options, lambda client, output: cli_vision.decode(client, output, document_id, page, request))


@cli.command()
@click.argument("document_id", metavar="ID")
@click.argument("page", type=WholeRange(1))
@click.argument("phrase")
@_talks
def locate(document_id: str, page: int, phrase: str, **options: Any) -> int:
    """Say where a phrase stands on a page. It is looked for in the stored vision tokens."""
    from api import cli_vision

    return _run(options, lambda client, output: cli_vision.locate(client, output, document_id, page, phrase))


@cli.command()
@_data
@_json
def engine(**options: Any) -> int:
    """Say which engine reads pages here, and why."""
    from api import cli_vision

    return cli_vision.engine(_output(options), _settings(options["data"]))


@cli.command()
@click.option("--pages", type=WholeRange(1), default=20, show_default=True, help="How many to look at.")
@click.option("--seed", type=WholeRange(0), default=0, show_default=True, help="Draws the same pages again.")
@_data
@_json
def audit(pages: int, seed: int, **options: Any) -> int:
    """Compare stored vision tokens with the originals' pixels. The service must not run."""
    from api import cli_vision

    return cli_vision.audit(_output(options), _settings(options["data"]), pages=pages, seed=seed)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@_json
def bench(arguments: Sequence[str], **options: Any) -> int:
    """Run the benchmarks, or measure this installation. The benchmarks need a checkout."""
    from api import cli_service

    return cli_service.bench(_output(options), arguments)


def _filter(options: dict[str, Any]) -> dict[str, Any]:
    names = ("folder", "document_ids", "media_types", "created_from", "created_to")
    return {name: options[name] for name in names if options[name]}


def _run(options: dict[str, Any], command: Callable[[Client, Output], Awaitable[int]], *, makes: bool = False) -> int:
    """Run a command against the service that its options mean; `makes` an archive where none is."""
    from api.cli_client import connect

    async def connected() -> int:
        settings = _settings(options["data"])
        async with connect(options["url"], settings, key=options["key"], makes=makes) as client:
            return await command(client, _output(options))

    return asyncio.run(connected())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Errors are one line on stderr."""
    out, err = sys.stdout, sys.stderr
    try:
        return cli.main(arguments, prog_name="folioscope", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        return 130
    except SystemExit:
        # What click makes of a broken pipe, with streams of its own: whoever read our output has seen enough.
        if sys.stdout is out:
            raise
        sys.stdout, sys.stderr = out, err
        _say_no_more()
        return 0
    except OSError as error:
        if error.errno not in _MACHINE:
            raise
        from api.cli_output import Output

        if not error.filename:
            _say_no_more()
        where = f"{error.filename}: " if error.filename else "The output cannot be written: "
        Output().error(f"{where}{error.strerror or error}.")
        return 1
    except Exception as error:
        from api.cli_client import ApiError
        from api.cli_output import Output
        from index.errors import FolioscopeError

        if not isinstance(error, ApiError | FolioscopeError):
            raise
        Output().error(str(error))
        return 1


def _say_no_more() -> None:
    """What is still to be flushed goes nowhere; the interpreter would complain at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """The process's entry."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not is_unicode(stream):
            # What documents say has letters that the locale may not have; a question mark is better than an end.
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run())


if __name__ == "__main__":
    main()
