"""`python -m api.demo [--exit] [--engine mini]`: the sample archive, sent in, read, searched, questioned, served.

Everything goes through the HTTP API of a service on loopback, as any other program would do it. With `--exit` it ends
after the answer, with an exit code other than 0 when anything failed or nothing was found. With `--engine mini` cards
are read instead, by the mini model (`demo_cards`).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from api import demo_cards
from api.cli_client import ApiError, Client, connect
from api.cli_documents import read
from api.cli_output import ERROR, INTERRUPTED, OK, PARTIAL, Output, bytes_of, count, failures, safe
from api.cli_questions import print_answer, print_hits
from api.serve import bind, running, stop_signal
from index.errors import ConfigError, FolioscopeError
from index.ownership import Ownership
from worker import logs
from worker.settings import Settings

CHECKOUT = Path(__file__).parent.parent
ARCHIVE = CHECKOUT / "samples" / "archive.zip"
DATA = CHECKOUT / ".demo"

# One by meaning, one by a number, one by an exact phrase; and a question.
SEARCHES = ("which animal was rescued from a ship", "INV-2018-0226", '"a swarm of bees"')
QUESTION = "How high did the water reach at the lock gauge in the flood of 1953?"
_HITS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m api.demo", description="Read and question the sample archive.")
    parser.add_argument("--exit", action="store_true", help="end after the answer instead of serving on")
    parser.add_argument("--engine", choices=("auto", "mini"), default="auto", help="mini: cards, by the mini model")
    options = parser.parse_args(arguments)
    output = Output()
    logs.configure("WARNING")
    try:
        return _demonstrate(output, stay=not options.exit, cards=options.engine == "mini")
    except (FolioscopeError, ApiError) as error:
        output.error(str(error))
        return ERROR
    except KeyboardInterrupt:
        output.note("Interrupted.")
        return INTERRUPTED


def _demonstrate(output: Output, *, stay: bool, cards: bool) -> int:
    needed = demo_cards.CARDS if cards else ARCHIVE
    if not needed.is_file():
        raise ConfigError(f"{needed} is not there: the demonstration runs in a checkout of the repository.")
    _clear(DATA)
    # Of itself only, and open: an environment may name a stack with somebody's archive, and its first key.
    alone = {"data_dir": DATA, "host": "127.0.0.1", "broker_url": None, "initial_key": None}
    settings = Settings(**alone, **({"engine": "mini"} if cards else {}))
    try:
        listener = bind(settings.host, settings.port)
    except ConfigError as error:
        if error.code != "port_in_use":
            raise
        listener = bind(settings.host, 0)
    output.say("Starting Folioscope …", style="dim")
    with running(settings, listener, host=settings.host) as service:
        output.say(Text.assemble("Folioscope is at ", (service.url, "bold underline")))
        code = asyncio.run((_show_cards if cards else _show)(output, service.url, settings))
        if not stay:
            return code
        output.say()
        output.say(Text.assemble("Search and read on at ", (service.url, "bold underline"), " until you press Ctrl-C."))
        with stop_signal() as stop:
            while service.alive() and not stop.wait(1.0):
                pass
        output.note("Stopping …")
    return code


def _clear(data: Path) -> None:
    """A fresh start, unless a demonstration runs already (`StoreUnavailable`)."""
    Ownership(data).release()
    shutil.rmtree(data)


async def _show(output: Output, url: str, settings: Settings) -> int:
    async with connect(url, settings) as client:
        whole = await _send_and_read(client, output)
        found = [await _search(client, output, query) for query in SEARCHES]
        _heading(output, "Question", QUESTION)
        answer = await client.ask({"question": QUESTION})
        print_answer(output, answer)
        output.say(f"     answered in {answer['took_ms']:.0f} ms", style="dim")
    return OK if whole and all(found) and answer["found"] else PARTIAL


async def _show_cards(output: Output, url: str, settings: Settings) -> int:
    async with connect(url, settings) as client:
        return await demo_cards.show(output, client, settings.data_dir)


async def _send_and_read(client: Client, output: Output) -> bool:
    """Whether every page of every document was read."""
    size = ARCHIVE.stat().st_size
    output.say()
    with output.upload_progress() as bar:
        task = bar.add_task(f"Uploading {ARCHIVE.name}", total=size)
        document, _ = await client.upload(ARCHIVE, progress=lambda sent: bar.update(task, completed=sent))
    output.say(f"{ARCHIVE.name} ({bytes_of(size)}) was accepted as {document['id']}")
    started_at = time.perf_counter()
    document = (await read(client, output, [document["id"]]))[document["id"]]
    seconds = time.perf_counter() - started_at
    pages = document["pages"]
    documents = sum([one["kind"] == "document" async for one in client.documents()])
    output.say(
        f"{pages['done']} of {count(pages['total'], 'page')} in {count(documents, 'document')} "
        f"were read in {seconds:.0f} s ({pages['done'] / seconds:.1f} pages a second)"
    )
    for line in failures(document):
        output.say(f"    {line}", style="yellow")
    return document["state"] == "done"


async def _search(client: Client, output: Output, query: str) -> bool:
    found = await client.search({"query": query, "limit": _HITS})
    _heading(output, "Search", query)
    print_hits(output, found["hits"])
    output.say(f"     searched {count(found['total_pages'], 'page')} in {found['took_ms']:.0f} ms", style="dim")
    return bool(found["hits"])


def _heading(output: Output, kind: str, text: str) -> None:
    output.say()
    output.say(Text.assemble((f"{kind}: ", "bold green"), (safe(text), "bold")))


if __name__ == "__main__":
    sys.exit(main())
