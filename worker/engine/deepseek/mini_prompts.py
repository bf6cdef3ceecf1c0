"""What the mini model can be asked: to write down the text of a page, and nothing else.

It was trained under one prompt. What is asked of a page by default, Markdown with boxes, is asked of it as plain text,
which is what it then gives: text without regions.
"""

from __future__ import annotations

from index.errors import InvalidRequest
from worker.engine.deepseek.modes import MINI
from worker.engine.prompts import Prompt, Task

_AS_TEXT = (Task.MARKDOWN, Task.TEXT)


def asked(kind: str, prompt: Prompt) -> Prompt:
    """The prompt as a model of this kind is given it. Raises `InvalidRequest` (`unknown_task`) for what it never
    learned: its answer would be the page's text in a worse reading.
    """
    if kind != MINI:
        return prompt
    if prompt.task not in _AS_TEXT:
        raise InvalidRequest(
            f"The mini model only writes down a page's text and cannot do {prompt.task.value!r}: ask for "
            f"{Task.TEXT.value!r}, or read the page with DeepSeek-OCR.",
            code="unknown_task",
        )
    return Prompt(Task.TEXT)
