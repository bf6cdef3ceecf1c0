"""Values of requests that make no sense, said so that people understand it: `query` should have at least 1 character.

Values themselves are never said: they may be long, or secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PLACES = frozenset({"body", "query", "path", "header", "cookie"})  # where FastAPI found what it could not take
_SUBJECTS = ("Input ", "String ", "List ", "Value ", "Parameter ")  # with which pydantic's and our sentences begin
_OWN = "Value error, "  # before a sentence of a validator of ours
_MOST = 100
"""Errors that are listed, and characters of a name in one: a body of a megabyte can have hundreds of thousands of them,
and names as long as itself.
"""

Problem = Mapping[str, Any]
"""As pydantic describes it."""


def errors(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """The first ones for programs: where, what, and of which kind."""
    return [{"where": _place(one["loc"]), "message": one["msg"], "type": one["type"]} for one in problems[:_MOST]]


def sentence(problems: Sequence[Problem]) -> str:
    """The first one for people, and how many more there are."""
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    return _sentence(problems[0]) + more


def _sentence(one: Problem) -> str:
    place, *parts = one["loc"] or ("",)
    if place not in _PLACES:
        parts = [place, *parts]
    name = f"`{_place(parts)}`" if parts else "The body"
    message = str(one["msg"]).replace(" after validation", "")
    if one["type"] == "missing":
        return f"{name} is missing."
    if one["type"] == "extra_forbidden":
        return f"{name} is not known here."
    if message.startswith(_OWN):
        return f"{name}: {message.removeprefix(_OWN)}."
    for subject in _SUBJECTS:
        if message.startswith(subject):
            return f"{name} {message.removeprefix(subject)}."
    return f"{name}: {message}."


def _place(parts: Sequence[object]) -> str:
    return ".".join(str(part)[:_MOST] for part in parts)
