"""Decoding page by page with transformers' own forward pass: short, slow and exact.

It is what the decode engine is compared with, and stands in where that cannot run. Greedy, with the rule against
repetition of the public vLLM configuration: no `NGRAM` tokens in a row that stand within the last `WINDOW` already,
table cells excepted (they repeat rightly).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from index.types import VisionTokens
from worker.engine.deepseek import layout
from worker.engine.deepseek.batching import Batcher
from worker.engine.deepseek.load import LoadedModel
from worker.engine.engine import Finish

NGRAM = 30
WINDOW = 90
LOOP_BANS = 200  # so many bans in a page: it goes round in circles that the rule only bends


@dataclass(frozen=True, slots=True)
class Generated:
    """What a decoder wrote: token ids without the end, and how it went."""

    tokens: tuple[int, ...]
    mean_logprob: float
    bans: int
    finish: Finish


class PlainDecoder:
    """Thread-safe: pages are decoded one after the other."""

    def __init__(self, loaded: LoadedModel, *, max_tokens: int = 0) -> None:
        self._loaded = loaded
        self._most = max_tokens or loaded.config.text_config.max_position_embeddings
        self._queue: Batcher[tuple[VisionTokens, str], Generated] = Batcher(self._run, most=1, name="decoder")

    def submit(self, tokens: VisionTokens, prompt: str) -> Future[Generated]:
        """`prompt` follows the page, as `Prompt.text` words it."""
        return self._queue.submit((tokens, prompt))

    def close(self) -> None:
        self._queue.close()

    def _run(self, items: Sequence[tuple[VisionTokens, str]]) -> list[Generated]:
        return [self._generate(tokens, prompt) for tokens, prompt in items]

    def _generate(self, tokens: VisionTokens, prompt: str) -> Generated:
        import torch
        from transformers import DynamicCache

        loaded = self._loaded
        text = loaded.model.model.language_model
        with torch.inference_mode():
            page = layout.sequence(loaded, tokens)
            ids = loaded.tokenizer.encode(prompt, add_special_tokens=False).ids
            embed = text.embed_tokens
            head = embed(torch.tensor([loaded.bos], device=loaded.device))
            x = torch.cat([head, page, embed(torch.tensor(ids, device=loaded.device))])[None]
            room = loaded.config.text_config.max_position_embeddings - x.shape[1]
            cache = DynamicCache(config=loaded.config.text_config)
            chosen: list[int] = []
            total, bans = 0.0, 0
            while True:
                hidden = text(inputs_embeds=x, past_key_values=cache, use_cache=True).last_hidden_state[0, -1]
                logits = loaded.model.lm_head(hidden).float()
                norm = float(logits.logsumexp(-1))
                forbidden = self._forbidden(chosen)
                best = int(logits.argmax())
                if best in forbidden:
                    bans += 1
                    logits[sorted(forbidden)] = float("-inf")
                    best = int(logits.argmax())
                total += float(logits[best]) - norm
                if best == loaded.eos:
                    finish = Finish.END
                    break
                chosen.append(best)
                if bans >= LOOP_BANS:
                    finish = Finish.LOOP
                    break
                if len(chosen) >= min(self._most, room):
                    finish = Finish.LENGTH
                    break
                x = embed(torch.tensor([[best]], device=loaded.device))
        count = len(chosen) + (finish is Finish.END)
        return Generated(tuple(chosen), total / max(1, count), bans, finish)

    def _forbidden(self, chosen: list[int]) -> set[int]:
        """Tokens that would repeat `NGRAM` tokens within the window."""
        if len(chosen) < NGRAM:
            return set()
        tail = chosen[-(NGRAM - 1) :]
        recent = chosen[-WINDOW:]
        found = {recent[at + NGRAM - 1] for at in range(len(recent) - NGRAM + 1) if recent[at : at + NGRAM - 1] == tail}
        return found - set(self._loaded.table_ids)
