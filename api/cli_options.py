"""Options that commands of `folioscope` have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from api.cli_output import Output

Command = TypeVar("Command", bound=Callable[..., Any])


class WholeRange(click.IntRange):
    """`click.IntRange` of digits: `int` reads `1_0` as ten."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdecimal()):
            self.fail(f"{value!r} is no whole number, written in digits", param, ctx)
        return super().convert(value, param, ctx)


class NamedPath(click.Path):
    """A path that is no empty one: that, of a variable that is not set, would be the folder one is in. Whether it can
    be read is seen by who reads it, who can go on with the others.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty path names nothing; the folder you are in is written as a dot.", param, ctx)
        return super().convert(value, param, ctx)


class Moment(click.ParamType):
    """A day, or a day and a time, as the service takes them and as listings tell them; the service knows what a day
    without a time means at which end of a period.
    """

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        try:
            known = "-" in text[1:] and datetime.fromisoformat(text)  # without, it could be a number
        except ValueError:
            known = False
        if not known:
            self.fail(f"{value!r} is no day and no time: write 2026-03-31, or 2026-03-31T14:00 (UTC).", param, ctx)
        return text


data = click.option("--data", type=NamedPath(), help="Data directory (FOLIOSCOPE_DATA_DIR).")
url = click.option("--url", help="A service to talk to (FOLIOSCOPE_URL) instead of this machine's own.")
key = click.option("--key", help="The key to use there (FOLIOSCOPE_API_KEY, which no process list shows).")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")


def talks(command: Command) -> Command:
    """Options of the commands that speak to a service."""
    return as_json(data(key(url(command))))


def is_unicode(stream: TextIO) -> bool:
    """Whether a stream can carry every letter."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def output(options: dict[str, Any]) -> Output:
    from api.cli_output import Output

    return Output(as_json=options["as_json"])
