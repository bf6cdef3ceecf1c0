"""The prompts that vision-token models were trained on, and free ones.

Source of the wordings: the README and `run_dpsk_ocr.py` of the public DeepSeek-OCR repository. The model's template is
"plain": no role tokens; beginning of sequence, vision tokens, then the prompt's text.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

MAX_CHARS = 2000
_SPECIAL = re.compile(r"<\|[^<>|]{1,32}\|>|<\uff5c[^<>]{1,40}\uff5c>|<image>")


class Task(enum.StrEnum):
    """What a decoder is asked to do with a page."""

    MARKDOWN = "markdown"  # the page as Markdown, each block with its box
    OCR = "ocr"  # lines, each with its box
    TEXT = "text"  # plain text
    FIGURE = "figure"  # a chart or a drawing, as a table or a description of its parts
    DESCRIBE = "describe"
    LOCATE = "locate"  # boxes of a phrase
    FREE = "free"  # the person's own words; the model was not trained for free questions


_WORDINGS = {
    Task.MARKDOWN: "<|grounding|>Convert the document to markdown.",
    Task.OCR: "<|grounding|>OCR this image.",
    Task.TEXT: "Free OCR.",
    Task.FIGURE: "Parse the figure.",
    Task.DESCRIBE: "Describe this image in detail.",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A task and, for `LOCATE` and `FREE`, its words (`argument`, at most `MAX_CHARS`)."""

    task: Task = Task.MARKDOWN
    argument: str = ""

    def text(self) -> str:
        """What follows the vision tokens. The argument cannot bring special tokens of its own in."""
        if self.task is Task.LOCATE:
            return f"\nLocate <|ref|>{plain(self.argument)}<|/ref|> in the image."
        if self.task is Task.FREE:
            return f"\n{plain(self.argument)}"
        return f"\n{_WORDINGS[self.task]}"


def plain(argument: str) -> str:
    """`argument` without anything that the tokenizer would take for a special token."""
    cut = argument[:MAX_CHARS]
    while (cleaned := _SPECIAL.sub(" ", cut)) != cut:
        cut = cleaned
    return " ".join(cut.split())
