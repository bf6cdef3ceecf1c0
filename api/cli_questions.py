"""`folioscope search` and `ask`."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from api.cli_client import ApiError, Client
from api.cli_output import OK, PARTIAL, Output, count, name_of, safe, snippet

_CLOSEST = 5
"""Pages that are named where none answers."""


async def search(client: Client, output: Output, request: dict[str, Any]) -> int:
    found = await client.search(request)
    if output.as_json:
        output.json(found)
    _note_unknown(output, found)
    hits = found["hits"] or [hit for group in found["groups"] or [] for hit in group["hits"]]
    if not hits:
        unseen = found.get("undecoded_pages", 0)
        more = f" {count(unseen, 'page has', 'pages have')} no text yet: ask, and what is needed is decoded."
        output.note(f"Nothing was found in {count(found['total_pages'], 'page')}.{more if unseen else ''}")
        return PARTIAL
    print_hits(output, hits)
    return OK


def _note_unknown(output: Output, told: dict[str, Any]) -> None:
    """What `--document` and `--folder` name and is not there. Older services do not tell."""
    for document_id in told.get("unknown_documents", ()):
        output.note(f"There is no document {name_of(document_id)}.", style="yellow")
    if folder := told.get("unknown_folder"):
        output.note(f"No document lies in the folder {name_of(folder)}.", style="yellow")


def print_hits(output: Output, hits: list[dict[str, Any]]) -> None:
    """A heading and the best snippet of each."""
    for number, hit in enumerate(hits, 1):
        heading = Text.assemble((f"{number:2}. ", "dim"), (safe(hit["filename"]), "bold cyan"), f", page {hit['page']}")
        heading.append(f"   {hit['score']:.2f}{', a draft' if hit.get('draft') else ''}", style="dim")
        output.say(heading)
        # What was sent by itself too has its own name among them.
        for path in [path for path in hit["paths"] if path != hit["filename"]][:1]:
            output.say(f"    {safe(path)}", style="dim")
        for one in hit["snippets"][:1]:
            output.say(Text("    ") + snippet(one["text"], one["highlights"]))


async def ask(client: Client, output: Output, request: dict[str, Any]) -> int:
    answer = await client.ask(request)
    if output.as_json:
        output.json(answer)
    print_answer(output, answer)
    if not answer["found"] and not output.as_json:
        await _print_closest(client, output, answer["considered"])
    _note_unknown(output, answer)
    return OK if answer["found"] else PARTIAL


async def _print_closest(client: Client, output: Output, considered: list[dict[str, Any]]) -> None:
    """Where to look: a page may say it in words that were not recognised as an answer."""
    if considered:
        output.say(
            f"No answer was recognised on the {count(len(considered), 'closest page')}. To look yourself:", style="dim"
        )
    names: dict[str, str | None] = {}
    for one in considered[:_CLOSEST]:
        document_id = one["document_id"]
        if document_id not in names:
            names[document_id] = await _name(client, document_id)
        if name := names[document_id]:
            output.say(f"    {name_of(name)}, page {one['page']}", style="dim")


async def _name(client: Client, document_id: str) -> str | None:
    """None where it was deleted meanwhile."""
    try:
        return (await client.document(document_id))["filename"]
    except ApiError as error:
        if error.code != "not_found":
            raise
        return None


def print_answer(output: Output, answer: dict[str, Any]) -> None:
    """The answer, and where each number in it stands."""
    output.say(safe(answer["text"]), style="bold" if answer["found"] else "yellow")
    for citation in answer["citations"]:
        quote = safe(citation["quote"]).replace("\n", " ")
        line = Text.assemble((f"[{citation['number']}] ", "dim"), (safe(citation["filename"]), "cyan"))
        line.append(f", page {citation['page']}: “{quote}”")
        if citation.get("note"):
            line.append(f" (read from a {citation['note']})", style="dim")
        if citation.get("draft"):
            line.append(" (a draft: the page could not be read properly)", style="dim")
        if citation.get("verified") is not None:
            line.append(" verified" if citation["verified"] else " NOT verified", style="dim")
        output.say(line)
    if answer.get("weak_support"):
        output.say("Weak support: compare this with the page.", style="yellow")
    if answer.get("note"):  # what to know of who worded it
        output.say(safe(answer["note"]), style="yellow")
    _print_decoded(output, answer)


def _print_decoded(output: Output, answer: dict[str, Any]) -> None:
    """What was decoded for it, and what might have had a say and was not heard. Older services tell neither."""
    for one in answer.get("decoded", ()):
        outcome = f"{one['took_ms'] / 1000:.1f} s" if one["ok"] else f"failed: {one['code']}"
        where = f"page {one['page']} of {one['document_id']}"
        output.say(f"decoded ({one['prompt']}): {where}, {outcome}; {safe(one['reason'])}", style="dim")
    for one in answer.get("missing", ()):
        where = f"page {one['page']} of {one['document_id']}"
        output.say(f"missing: {where} ({one['code']}): {safe(one['reason'])}", style="yellow")
    if answer.get("incomplete") and answer.get("undecoded_pages"):
        output.say(
            f"Not looked at: {count(answer['undecoded_pages'], 'page')} without text yet. Name a document or a folder "
            "to have such pages decoded.",
            style="yellow",
        )
