"""The `Queue` port: a doorbell. Messages carry ids only and may be lost at any time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from index.types import PageKey


@dataclass(frozen=True, slots=True)
class Expand:
    """Look into an accepted document: split it, or unpack it."""

    tenant: str
    document_id: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read one page."""

    key: PageKey


Job = Expand | Read


class Queue(Protocol):
    def ring(self, jobs: Iterable[Job]) -> None:
        """Ask for the jobs to be done. Ringing twice for the same job does it once."""

    def depth(self) -> int:
        """Jobs that wait or run."""

    def close(self, *, timeout_s: float) -> None:
        """Take no more jobs, let running ones end for at most `timeout_s`."""
