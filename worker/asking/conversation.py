"""What was asked before: follow-up questions, and where conversations are kept.

`standalone` turns "And when did he leave?" into a question that can be searched for by itself. `Conversations` keeps
the last turns of each in a file of its own, so that any API process knows them; they are forgotten after a while.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from index.errors import NotFound, Unavailable
from index.files import locked, make_directory, remove, write_atomic
from index.words import STOPWORDS, tokens
from worker.answer.asking import Role, read_question

log = logging.getLogger("folioscope.asking")

MAX_TURNS = 6
"""Older turns are forgotten: what is asked now refers to what was said just before."""
_ID = re.compile(r"[0-9a-f]{32}")
_REFERS = re.compile(
    r"\b(?:he|him|his|she|her|hers|it|its|they|them|their|theirs|this|that|these|those|there|then"
    r"|the same|the former|the latter)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\s*(?:and|but|or|so|also|what about|how about)\b", re.IGNORECASE)
_DEFINITE = re.compile(r"\bthe\b", re.IGNORECASE)
_FEW = 2
"""A question with no more content words than this and an opener like "and" is a follow-up; one with none always is."""
_MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Turn:
    question: str
    answer: str


def refers_back(question: str) -> bool:
    """Whether a question needs what was said before to be understood."""
    words = [token.form for token in tokens(question) if token.form not in STOPWORDS]
    if _REFERS.search(question):
        return len(words) <= 6  # a long question names what it speaks of
    if len(words) == 1 and _DEFINITE.search(question):
        return not _names_something(question)  # "Who was the inspector?": of what was spoken of
    return not words or (len(words) <= _FEW and _GOES_ON.match(question) is not None)


def _names_something(question: str) -> bool:
    roles = read_question(question).roles
    return any(role in {Role.NAME, Role.IDENTIFIER, Role.PART} for role in roles)


def standalone(question: str, turns: Sequence[Turn]) -> str:
    """The question with what it refers to: the last questions, back to one that stands by itself.

    No model is asked: the words of what was asked before are what search needs to find the same pages again.
    """
    if not turns or not refers_back(question):
        return question
    before: list[str] = []
    for turn in reversed(turns):
        before.append(turn.question.strip())
        if not refers_back(turn.question):
            break
    room = _MAX_CHARS - len(question) - 3
    told = " ".join(reversed(before))
    return f"{question.strip()} ({told[-room:].strip()})" if room > 0 else question


class Conversations:
    """Questions by conversation id, among processes that share the directory. An id means something to its tenant
    only. Answers are not kept. Thread-safe; of several turns that are added at once none is lost.
    """

    def __init__(self, directory: Path, *, keep_s: float = 24 * 3600.0, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._keep_s = keep_s
        self._clock = clock
        make_directory(directory)

    def start(self) -> str:
        """A new id. Nothing is kept of it before its first turn."""
        return secrets.token_hex(16)

    def turns(self, tenant: str, conversation_id: str) -> list[Turn]:
        """What was said, oldest first; empty for a new one, and for one that was forgotten."""
        path = self._path(tenant, conversation_id)
        if _changed_at(path) < self._clock() - self._keep_s:
            return []  # not swept yet
        try:
            return [_turn(*pair) for pair in json.loads(path.read_bytes())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError):
            log.warning("%s is damaged: its conversation begins anew", path)
            return []

    def add(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """Remember a turn; the oldest is forgotten when there are too many. Of questions that were under way at once
        the one that was answered first comes first. Where it cannot be kept, as on a full disk, that is logged: nobody
        shall lose an answer by it.
        """
        path = self._path(tenant, conversation_id)
        try:
            with self._changing():
                kept = [*self.turns(tenant, conversation_id), turn][-MAX_TURNS:]
                # Answers quote documents, which may be deleted; follow-ups are understood by the questions alone.
                write_atomic(path, json.dumps([[one.question, ""] for one in kept]).encode(), replace=True, mode=0o600)
        except (Unavailable, OSError):
            log.warning("a question could not be kept: the next one is not understood as a follow-up", exc_info=True)

    def sweep(self) -> int:
        """Forget conversations that nobody went on with; how many."""
        swept, oldest = 0, self._clock() - self._keep_s
        for path in list(self._directory.glob("*.json")):
            if _changed_at(path) < oldest:
                with self._changing():
                    # Again, for somebody may have gone on with it meanwhile.
                    swept += _changed_at(path) < oldest and remove(path)
        return swept

    def _changing(self) -> AbstractContextManager[None]:
        """One at a time: what is added stands on what was there."""
        return locked(self._directory / "lock")

    def _path(self, tenant: str, conversation_id: str) -> Path:
        if not _ID.fullmatch(conversation_id):
            raise NotFound("There is no such conversation.")
        # The tenant is part of the name: another tenant's id is a conversation that never began.
        owner = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        return self._directory / f"{owner}-{conversation_id}.json"


def _turn(question: object, answer: object) -> Turn:
    if not (isinstance(question, str) and isinstance(answer, str)):
        raise TypeError(question)
    return Turn(question, answer)


def _changed_at(path: Path) -> float:
    """Seconds since the epoch; for what is not there any more, a time that never comes."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
