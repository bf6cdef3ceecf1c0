"""`make demo ENGINE=mini`: cards read by the mini model, and one decoded again from its vision tokens alone.

The cards go through the same service as everything else: uploaded, encoded, their vision tokens stored in the index,
decoded. Then the original of one card is removed from the store of originals, and its text is decoded once more from
what is left. What was read is told with its mistakes: it is a small model (worker/engine/mini/README.md).
"""

from __future__ import annotations

import json
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from rich.text import Text

from api.cli_client import Client
from api.cli_documents import read
from api.cli_output import OK, PARTIAL, Output, failures, safe
from index.blobs_dir import DirBlobStore
from index.errors import NotFound

CHECKOUT = Path(__file__).parent.parent
CARDS = CHECKOUT / "samples" / "cards.zip"
TRUTH = CHECKOUT / "samples" / "cards.json"


async def show(output: Output, client: Client, data: Path) -> int:
    """`OK` where every card was read and the one without its original gave the same text again, else `PARTIAL`."""
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    document, _ = await client.upload(CARDS)
    done = (await read(client, output, [document["id"]]))[document["id"]]
    for line in failures(done):
        output.say(f"    {line}", style="yellow")
    cards = {one["filename"]: one async for one in client.documents() if one["kind"] == "document"}
    edits = characters = 0
    chosen = None
    for name, true in truth.items():
        if name not in cards:
            continue
        page = await client.page(cards[name]["id"], 1)
        wrong = Levenshtein.distance(" ".join(true.split()), " ".join(page["text"].split()))
        edits, characters = edits + wrong, characters + len(" ".join(true.split()))
        output.say()
        output.say(Text.assemble((name, "bold"), f"  trust {page['trust']:.2f}, {wrong} characters wrong"))
        for line in page["text"].splitlines():
            output.say(f"    {safe(line)}")
        chosen = chosen or (name, cards[name], page["text"])
    if chosen is None:
        return PARTIAL
    output.say()
    output.say(f"{len(cards)} cards, {edits} of {characters} characters wrong ({edits / characters:.1%}).")
    name, card, before = chosen
    _remove_original(data, card["sha256"])
    again = await client.decode(card["id"], 1, {"task": "text"})
    same = again["text"] == before
    output.say()
    output.say(Text.assemble((f"{name} again, from 16 vision tokens, its original removed", "bold green")))
    for line in again["text"].splitlines():
        output.say(f"    {safe(line)}")
    output.say("    the same text" if same else "    another text than before", style="dim" if same else "yellow")
    return OK if same and done["state"] == "done" and len(cards) == len(truth) else PARTIAL


def _remove_original(data: Path, sha256: str) -> None:
    """The file is gone for good: whoever looks for it is told so."""
    blobs = DirBlobStore(data)
    blobs.delete(sha256)
    try:
        blobs.path(sha256)
    except NotFound:
        return
    raise AssertionError(f"{sha256} is still there")
