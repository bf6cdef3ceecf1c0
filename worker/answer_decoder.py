"""`Answerer` that asks the decoder that reads the pages: the question is its prompt, a page's stored tokens its image.

DeepSeek-OCR was not trained for free questions, and the answer says so (`NOTE`). Nothing that it writes is believed
because it wrote it: what it says must be supported by the page's own text (`support`), and what is cited is the
sentence of that text which supports it most. The page cited is the page that was asked. An empty, endless, echoing or
invented reply is no answer; without one that holds on the pages asked the answer is "not found". Thread-safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence

from index.errors import ConfigError
from index.sentences import sentence_spans
from index.types import Answer, Citation, Hit, PagePoint, Statement
from index.words import STOPWORDS, stem, tokens
from worker.answer.claims import figures_hold
from worker.answer.harmless import harmless
from worker.answer.quoting import NOT_FOUND, cite, spelt
from worker.answerer import last
from worker.asking.decoding import BUDGET, Decoding, DecodingConfig, Effort
from worker.decoding import PageDecoder
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt, Task, plain
from worker.patience import Patience

Pages = Sequence[tuple[Hit, PagePoint]]

NOTE = "Worded by the decoder that reads the pages, which was not trained to answer questions. Rely on the citation."
MAX_REPLY = 600
"""Characters of a reply that are looked at: an answer is shorter, and what comes after is a decoder that raves."""
MAX_PAGES = 2
"""Pages that are asked, the best first: each costs a decoding, and they are ranked."""
_REASON = "it is asked the question"
_SUPPORTED = 0.6
"""Share of the reply's own words that must stand on the page: word forms and articles may differ, facts may not."""


def support(question: str, reply: str, text: str) -> tuple[int, int, float] | None:
    """The sentence of a page's text that supports a reply, as (start, end, share of the reply's words on the page);
    None where the page does not support it.

    Every figure must stand on the page or in the question, and most of the words that the reply adds to the question on
    the page, one of them at least in the sentence. A reply that adds none is an echo.
    """
    known = _stems(question)
    new = _stems(reply) - known
    if not new or not figures_hold(reply, question, [text]):
        return None
    share = len(new & _stems(text)) / len(new)
    if share < _SUPPORTED:
        return None
    best: tuple[tuple[int, int], int, int] | None = None
    for start, end in sentence_spans(text):
        words = _stems(text[start:end])
        worth = (len(words & new), len(words & known))
        if worth[0] and (best is None or worth > best[0]):
            best = worth, start, end
    return None if best is None else (best[1], best[2], share)


class DecoderAnswerer:
    """`config` bounds the time; of its pages `MAX_PAGES` are asked at most. Raises `ConfigError` where that is none."""

    name = "decoder"
    reads_everything = False

    def __init__(self, decoder: PageDecoder, config: DecodingConfig | None = None) -> None:
        config = config or DecodingConfig()
        if config.pages < 1:  # it would find nothing, whatever is asked
            raise ConfigError(
                "FOLIOSCOPE_ANSWERER=decoder needs FOLIOSCOPE_DECODE_PAGES of 1 or more: asking a page is decoding it.",
                code="bad_setting",
            )
        self._decoder = decoder
        self._config = DecodingConfig(min(MAX_PAGES, config.pages), config.seconds, config.trust)

    def answer(self, question: str, pages: Pages) -> Answer:
        return last(self.steps(question, pages))

    def steps(
        self, question: str, pages: Pages, cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[str | Decoding, None, Answer]:
        """The pages that are asked, then the answer in one piece."""
        began = time.perf_counter()
        effort = Effort(self._config, cancelled)
        prompt = Prompt(Task.FREE, plain(question))
        found: tuple[str, Citation, float] | None = None
        likeliest = [(hit, page) for hit, page in pages if page.text.strip()][:MAX_PAGES] if prompt.argument else []
        for hit, page in likeliest:
            if found is not None or cancelled():
                break
            if effort.spent:  # what was not asked might have answered
                code = effort.closed_by.code if effort.closed_by else BUDGET
                yield Decoding(page.key, Task.FREE.value, _REASON, "failed", 0.0, code)
                continue
            replies: list[Decoded] = []
            ask = _asking(self._decoder, page, prompt, replies)
            yield from effort.attempt(page.key, Task.FREE.value, _REASON, ask)
            found = _answered(question, replies, hit, page)
        statements = (Statement(found[0], (0,)),) if found else ()
        text = spelt(statements[0]) if statements else NOT_FOUND
        yield text
        return Answer(
            question=question,
            found=found is not None,
            text=text,
            citations=(found[1],) if found else (),
            confidence=round(found[2], 4) if found else 0.0,
            considered=tuple(page.key for _, page in pages),
            took_ms=(time.perf_counter() - began) * 1000,
            extra={"note": NOTE},
            statements=statements,
        )


def _asking(
    decoder: PageDecoder, page: PagePoint, prompt: Prompt, replies: list[Decoded]
) -> Callable[[Patience], None]:
    return lambda patience: replies.append(decoder.decode(page.key, prompt, patience))


def _answered(
    question: str, replies: Sequence[Decoded], hit: Hit, page: PagePoint
) -> tuple[str, Citation, float] | None:
    for decoded in replies:
        reply = harmless(" ".join(decoded.text[:MAX_REPLY].split()))
        place = support(question, reply, page.text)
        if place is not None:
            start, end, share = place
            return reply, cite(hit, page, (start, end), share), share * decoded.trust
    return None


def _stems(text: str) -> set[str]:
    return {stem(token.form) for token in tokens(text) if token.form not in STOPWORDS}
