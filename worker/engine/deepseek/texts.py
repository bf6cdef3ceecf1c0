"""Pages and prompts to the decode engine: what the model calls a prompt, put together from stored tokens.

The template is "plain": beginning of sequence, the page's vision tokens with the model's constants between them, then
the prompt's text; no roles, no end. Source: `modeling_deepseekocr.py` of the public DeepSeek-OCR repository.
"""

from __future__ import annotations

from concurrent.futures import Future

from index.types import VisionTokens
from worker.engine.deepseek import layout
from worker.engine.deepseek.generate import DecodeEngine
from worker.engine.deepseek.load import LoadedModel
from worker.engine.deepseek.requests import DecodeConfig, Generated, Prefix

GPU_SLOTS = 128
CPU_SLOTS = 8


class Texts:
    """Thread-safe. `max_tokens` and `slots` as in `EngineConfig`."""

    def __init__(self, loaded: LoadedModel, *, max_tokens: int = 0, slots: int = 0) -> None:
        config = DecodeConfig(slots=slots or (GPU_SLOTS if loaded.device.type == "cuda" else CPU_SLOTS))
        if max_tokens:
            config = DecodeConfig(slots=config.slots, max_new_tokens=min(max_tokens, config.max_new_tokens))
        self._loaded = loaded
        self._engine = DecodeEngine(loaded, config)
        try:
            self._engine.warm()
        except BaseException:
            self._engine.close()  # or its thread would keep weights and slots, and each later try as many again
            raise
        self.slots = self._engine.slots

    @property
    def alive(self) -> bool:
        """Whether it still decodes; what has ended by itself is to be made anew."""
        return self._engine.alive

    def submit(self, tokens: VisionTokens, prompt: str) -> Future[Generated]:
        """`prompt` as `Prompt.text` words it. Raises `Conflict` (`wrong_tokens`) for tokens of another model."""
        loaded = self._loaded
        page = layout.sequence(loaded, tokens)
        words = loaded.tokenizer.encode(prompt, add_special_tokens=False).ids
        return self._engine.submit(Prefix((loaded.bos, *[loaded.image_id] * len(page), *words), page))

    def close(self) -> None:
        self._engine.close()
