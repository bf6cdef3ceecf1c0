"""`folioscope search` and `ask`."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from api.cli_client import Client
from api.cli_output import OK, PARTIAL, Output, safe, snippet


async def search(client: Client, output: Output, request: dict[str, Any]) -> int:
    found = await client.search(request)
    if output.as_json:
        output.json(found)
    hits = found["hits"] or [hit for group in found["groups"] or [] for hit in group["hits"]]
    if not hits:
        output.note(f"Nothing was found in {found['total_pages']} pages.")
        return PARTIAL
    print_hits(output, hits)
    return OK


def print_hits(output: Output, hits: list[dict[str, Any]]) -> None:
    """A heading and the best snippet of each."""
    for number, hit in enumerate(hits, 1):
        heading = Text.assemble((f"{number:2}. ", "dim"), (safe(hit["filename"]), "bold cyan"), f", page {hit['page']}")
        heading.append(f"   {hit['score']:.2f}", style="dim")
        output.say(heading)
        for path in hit["paths"][:1]:
            if path != hit["filename"]:
                output.say(f"    {safe(path)}", style="dim")
        for one in hit["snippets"][:1]:
            output.say(Text("    ") + snippet(one["text"], one["highlights"]))


async def ask(client: Client, output: Output, request: dict[str, Any]) -> int:
    answer = await client.ask(request)
    if output.as_json:
        output.json(answer)
    print_answer(output, answer)
    return OK if answer["found"] else PARTIAL


def print_answer(output: Output, answer: dict[str, Any]) -> None:
    """The answer, and where each number in it stands."""
    output.say(safe(answer["text"]), style="bold" if answer["found"] else "yellow")
    for citation in answer["citations"]:
        quote = safe(citation["quote"]).replace("\n", " ")
        line = Text.assemble((f"[{citation['number']}] ", "dim"), (safe(citation["filename"]), "cyan"))
        output.say(line.append(f", page {citation['page']}: “{quote}”"))
