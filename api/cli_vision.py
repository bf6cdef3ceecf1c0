"""`folioscope engine`, `decode`, `locate` and `audit`: the engine, and what can be asked of stored vision tokens."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from api.cli_output import OK, PARTIAL, Output, count, safe

if TYPE_CHECKING:
    from api.cli_client import Client
    from worker.settings import Settings

_FINISH = {
    "length": "the limit of tokens came before the end",
    "loop": "the model began to repeat itself",
}


async def decode(client: Client, output: Output, document_id: str, page: int, request: dict[str, Any]) -> int:
    found = await client.decode(document_id, page, request)
    if output.as_json:
        output.json(found)
    output.say(safe(found["text"]))
    _note(output, found)
    return OK if found["finish"] == "end" else PARTIAL


async def locate(client: Client, output: Output, document_id: str, page: int, phrase: str) -> int:
    found = await client.locate(document_id, page, phrase)
    if output.as_json:
        output.json(found)
    for box in found["boxes"]:
        output.say("  ".join(f"{edge:.4f}" for edge in box))
    if not found["boxes"]:
        output.note("It was not found on this page.")
    _note(output, found)
    return OK if found["boxes"] else PARTIAL


def _note(output: Output, found: dict[str, Any]) -> None:
    why = _FINISH.get(found["finish"])
    remark = f"; {why}" if why else ""
    output.note(
        f"trust {found['trust']:.2f}, {found['took_ms'] / 1000:.1f} s{remark}", style="yellow" if why else "dim"
    )


def engine(output: Output, settings: Settings) -> int:
    from worker.engine import choice

    chosen = choice.choose(settings)
    facts = {
        "engine": chosen.engine.name,
        "revision": chosen.engine.revision,
        "reason": chosen.reason,
        "decodes": hasattr(chosen.engine, "decode"),
    }
    if facts["decodes"]:
        from worker.engine.deepseek.device import place

        placement = place(settings.device, settings.dtype)
        facts |= {
            "weights": choice.weights_of(settings, chosen.engine.name),
            "device": str(placement.device),
            "placement": placement.reason,
            "mode": settings.mode,
            "keeps_tokens": settings.keep_tokens,
        }
    if output.as_json:
        output.json(facts)
    output.say(f"{facts['engine']}@{facts['revision']}", style="bold")
    for name in ("reason", "weights", "placement", "mode"):
        if name in facts:
            output.say(f"  {name}: {facts[name]}")
    if not facts["decodes"]:
        output.say("  Pages get no vision tokens; `decode` and `locate` need an engine that has them (docs/engine.md).")
    return OK


def audit(output: Output, settings: Settings, *, pages: int, seed: int) -> int:
    from worker import audit as auditing

    with output.page_progress() as bar:
        task = bar.add_task("Comparing", total=None)
        result = auditing.audit(
            settings, pages=pages, seed=seed, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    if output.as_json:
        output.json({**asdict(result), "seed": seed})
    for one in result.differences:
        output.say(f"{one.code}  {one.document_id}, page {one.page}  {safe(one.message)}", style="yellow")
    others = f"; {count(result.others, 'page')} of other weights left out" if result.others else ""
    if not result.checked:
        output.note(f"No page has vision tokens that {result.engine} made{others}.")
        return PARTIAL
    verdict = count(len(result.differences), "difference") if result.differences else "no difference"
    output.say(f"{result.checked} of {count(result.pages, 'page')} compared (seed {seed}): {verdict}{others}")
    return PARTIAL if result.differences else OK
