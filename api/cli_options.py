"""Options that commands of `folioscope` have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from api.cli_output import Output

Command = TypeVar("Command", bound=Callable[..., Any])

data = click.option("--data", type=click.Path(path_type=Path), help="Data directory (FOLIOSCOPE_DATA_DIR).")
url = click.option("--url", help="A service to talk to (FOLIOSCOPE_URL) instead of this machine's own.")
key = click.option("--key", help="The key to use there (FOLIOSCOPE_API_KEY, which no process list shows).")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")


def talks(command: Command) -> Command:
    """Options of the commands that speak to a service."""
    return as_json(data(key(url(command))))


def output(options: dict[str, Any]) -> Output:
    from api.cli_output import Output

    return Output(as_json=options["as_json"])
