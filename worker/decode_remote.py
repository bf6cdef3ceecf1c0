"""Both ends of decoding by a worker: `RemoteDecoder` asks and waits, `DecodeDesk` takes a ticket and answers.

The message is a ticket's number. The question and the answer are keys of Redis that expire, so a question that nobody
waits for any more is not worked on, and no words of a person stay behind. A question is taken once: a message that
comes twice finds none.
"""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

from index.errors import FolioscopeError, InternalError, Unavailable
from index.types import PageKey
from worker import decoding, logs, messages, tracing
from worker.broker import Broker
from worker.celery_app import Sender
from worker.decoding import PageDecoder
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt
from worker.patience import Patience
from worker.writeback import Want

log = logging.getLogger("folioscope.decode")


class RemoteDecoder:
    """Implements `PageDecoder`. Thread-safe."""

    def __init__(self, sender: Sender, broker: Broker, *, timeout_s: float) -> None:
        self._sender = sender
        self._broker = broker
        self._timeout_s = timeout_s
        self._guard = threading.Lock()

    def close(self) -> None:
        """Let go of both connections to the broker."""
        self._sender.close()
        self._broker.close()

    def decode(self, key: PageKey, prompt: Prompt, patience: Patience | None = None) -> Decoded:
        return decoding.load_decoded(self._ask(key, {"prompt": decoding.dump_prompt(prompt)}, patience)["decoded"])

    def keep(self, key: PageKey, want: Want, patience: Patience | None = None) -> bool:
        return bool(self._ask(key, {"keep": want.value}, patience)["kept"])

    def _ask(self, key: PageKey, wish: dict[str, Any], patience: Patience | None) -> dict[str, Any]:
        if not self._served():
            raise _nobody()
        patience = patience or Patience()
        patience.check()
        left = patience.left_s
        seconds = self._timeout_s if left is None else min(left, self._timeout_s)
        ticket = secrets.token_hex(16)
        question = {
            "tenant": key.tenant,
            "document_id": key.document_id,
            "page": key.page,
            "seconds": seconds,  # read by workers of before the question's own lifetime was
            "trace": tracing.inject(),
            **wish,
        }
        self._broker.ask(ticket, question, seconds=seconds)
        with self._guard:
            self._sender.send_task(messages.DECODE_TASK, [ticket], messages.DECODE, messages.WAITING_PERSON)
        answer = self._broker.wait(ticket, seconds=seconds, still=lambda: not patience.cancelled and self._served())
        if answer is None:
            self._broker.take(ticket)  # nobody waits: whoever comes to it finds nothing to do
            patience.check()
            if not self._served():
                raise _nobody()
            raise Unavailable(
                f"No worker decoded the page within {seconds:.3g} s: all are busy. Try again in a moment.",
                code="decode_timeout",
            )
        if "error" in answer:
            raise decoding.load_error(answer["error"])
        return answer

    def _served(self) -> bool:
        return any(messages.DECODE in worker.queues for worker in self._broker.workers())


def _nobody() -> Unavailable:
    return Unavailable(
        "No worker that decodes pages is running: start one with `folioscope worker --queues decode,read.gpu`.",
        code="no_decoder",
    )


class DecodeDesk:
    """What a worker does with a ticket. Never raises."""

    def __init__(self, broker: Broker, decoder: PageDecoder) -> None:
        self._broker = broker
        self._decoder = decoder

    def __call__(self, ticket: str) -> None:
        try:
            taken = self._broker.take(ticket)
            if taken is None:
                return
            question, left_s = taken
            key = PageKey(question["tenant"], question["document_id"], question["page"])
            with (
                tracing.extracted(question.get("trace")),
                tracing.span("decode", document_id=key.document_id, page=key.page),
                logs.about(key.document_id, key.page),
            ):
                self._broker.answer(ticket, self._answer(key, question, Patience(left_s)))
        except Unavailable as error:
            # Who waits is told by the time limit.
            log.warning("an answer could not be given: %s", error.message)
        except Exception:
            log.exception("a ticket could not be worked on")

    def _answer(self, key: PageKey, question: dict[str, Any], patience: Patience) -> dict[str, object]:
        try:
            if "keep" in question:
                return {"kept": self._decoder.keep(key, Want(question["keep"]), patience)}
            prompt = decoding.load_prompt(question["prompt"])
            return {"decoded": decoding.dump_decoded(self._decoder.decode(key, prompt, patience))}
        except FolioscopeError as error:
            return {"error": decoding.dump_error(error)}
        except Exception:
            log.exception("page %s of %s could not be decoded", key.page, key.document_id)
            return {"error": decoding.dump_error(InternalError("Decoding the page failed: our bug."))}
