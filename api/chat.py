"""The JSON of chat completions in OpenAI's shape, as far as this service speaks it.

Requests may carry any further fields of that API (sampling, tools, ...): they are accepted and have no effect, so that
clients work unchanged. Source: the OpenAI API reference, "Chat Completions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.filtering import Unknown
from api.questions import cleaned
from api.schemas import Model
from api.schemas_asking import AnswerJSON, FilterJSON
from index.types import Answer, Citation
from worker.answer.harmless import harmless
from worker.answer.support import weakly_supported
from worker.asking.conversation import MAX_TURNS, Turn
from worker.asking.pipeline import Done

MODEL = "folioscope"
_MAX_MESSAGES = 5000
"""Clients send the whole conversation each time: one that was refused for its length could not be gone on with."""
_CHARS_PER_TOKEN = 4
_DRAFT = " (a draft: the page could not be read properly)"


class Given(BaseModel):
    model_config = ConfigDict(extra="allow")


class TextPart(Given):
    type: str
    text: str | None = None


def _text_or_parts(given: object) -> object:
    """Told in one sentence: of a union pydantic says what is wrong with each of its kinds, of very many parts too."""
    if given is None or isinstance(given, str) or (isinstance(given, list) and all(map(_is_part, given))):
        return given
    raise ValueError('it is a text, or a list of parts such as {"type": "text", "text": "Who lit the lamp?"}')


def _is_part(given: object) -> bool:
    if not isinstance(given, dict):
        return False
    text = given.get("text")
    return isinstance(given.get("type"), str) and (text is None or isinstance(text, str))


class ChatMessage(Given):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str | list[TextPart] | None, BeforeValidator(_text_or_parts)] = None

    def words(self) -> str:
        """The text of the message; pictures and sounds are passed over."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or [] if part.type == "text" and part.text)


class StreamOptions(Given):
    include_usage: bool | None = False


class Extension(Model):
    """What this service understands beside OpenAI's fields (`extra_body={"folioscope": {...}}` of its client)."""

    filter: FilterJSON = FilterJSON()
    verify: bool = False


class ChatRequestJSON(Given):
    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=_MAX_MESSAGES)]
    stream: bool | None = False  # clients say null where they say nothing
    stream_options: StreamOptions | None = None
    folioscope: Annotated[Extension, BeforeValidator(lambda given: {} if given is None else given)] = Extension()


class ChatUsageJSON(Model):
    """Estimates, four characters a token: nothing here is billed."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessageJSON(Model):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChoiceJSON(Model):
    index: int = 0
    message: AssistantMessageJSON
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class ChatCompletionJSON(Model):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChoiceJSON]
    usage: ChatUsageJSON
    folioscope: AnswerJSON


class ModelJSON(Model):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelsJSON(Model):
    object: Literal["list"] = "list"
    data: list[ModelJSON]


def question_of(messages: Sequence[ChatMessage]) -> tuple[str, list[Turn]]:
    """The last message of the user, and the last turns before it, as many as are kept of other conversations. An empty
    string where there is none.
    """
    asked = max((n for n, message in enumerate(messages) if message.role == "user"), default=-1)
    if asked < 0:
        return "", []
    turns: list[Turn] = []
    question: str | None = None
    for message in messages[:asked]:
        if message.role == "user":
            if question is not None:  # its answer failed, or was stopped before its first word
                turns.append(Turn(question, ""))
            question = cleaned(message.words())
        elif message.role == "assistant" and question is not None:
            turns.append(Turn(question, message.words()))
            question = None
    if question is not None:
        turns.append(Turn(question, ""))
    return messages[asked].words().strip(), turns[-MAX_TURNS:]


def corrected(told: str, answer: Answer) -> str:
    """What to add to a text that was told already where it is not the answer any more; empty where it is."""
    if told == answer.text:
        return ""
    text = harmless(answer.text)
    return f"\n\nWhile this was told, a page that it quotes was deleted or read anew. What still stands: {text}"


def footnotes(citations: Sequence[Citation]) -> str:
    """The citations as plain lines under an answer; nothing a page says becomes a link or an image."""
    if not citations:
        return ""
    lines = [
        f"[{n}] {_plain(c.filename)}, page {c.key.page}: “{_plain(c.quote)}”{_DRAFT if c.draft else ''}"
        for n, c in enumerate(citations, 1)
    ]
    return "\n\n" + "\n".join(lines)


def _plain(untrusted_text: str) -> str:
    return harmless(" ".join(untrusted_text.split()))


def remarks(done: Done, unknown: Unknown) -> str:
    """What to know of an answer beside its text, as a plain last line; empty where there is nothing."""
    told = [note] if (note := done.answer.extra.get("note")) else []
    if weakly_supported(done.answer):
        told.append("Weak support: compare this with the page.")
    if unknown.documents:
        told.append(f"Not in this archive: {_count(len(unknown.documents), 'document')} of those that were named.")
    if unknown.folder is not None:
        told.append("Not in this archive: the folder that was named.")
    if done.missing:
        told.append(f"Not heard, though they may hold more: {_count(len(done.missing), 'page')}.")
    elif not done.answer.found and done.undecoded:
        told.append(f"Not looked at, as they have no text yet: {_count(done.undecoded, 'page')}.")
    return f"\n\n({' '.join(told)})" if told else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def usage(messages: Sequence[ChatMessage], answer: str) -> ChatUsageJSON:
    prompt = sum(len(message.words()) for message in messages) // _CHARS_PER_TOKEN
    completion = max(1, len(answer) // _CHARS_PER_TOKEN)
    return ChatUsageJSON(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def chunk(completion_id: str, created: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One event of a stream."""
    return {
        "id": completion_id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
