"""The settings of a command: the environment, and the options that go before it."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.settings import Settings

log = logging.getLogger("folioscope.cli")

_PREFIX = "FOLIOSCOPE_"
_OF_COMPOSE = frozenset({"GPU_WORKER_MEMORY_BYTES"})
"""What `docker-compose.yml` makes settings of, and resembles one; others do not."""
_RESEMBLES = 0.83


def settings(data: Path | None, **given: Any) -> Settings:
    """`ConfigError` (`bad_setting`) that names the variable whose value makes no sense."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from index.errors import ConfigError
    from worker.settings import Settings

    values = {"data_dir": data, **given}
    try:
        found = Settings(**{name: value for name, value in values.items() if value is not None})
        # No shell does that in a file of variables, in the settings of an assistant, or behind `--data=`.
        found = found.model_copy(update={"data_dir": found.data_dir.expanduser()})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"FOLIOSCOPE_{name}: {message}.", code="bad_setting") from None
    except SettingsError as error:
        raise ConfigError(str(error.__cause__ or error), code="bad_setting") from None
    except RuntimeError as error:  # of a user that there is not
        raise ConfigError(f"FOLIOSCOPE_DATA_DIR: {error}", code="bad_setting") from None
    if found.log_level.upper() not in logging.getLevelNamesMapping():
        raise ConfigError("FOLIOSCOPE_LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL.", code="bad_setting")
    return found


def tell_misspelt() -> None:
    """Log what in the environment looks like a setting and is none: it would be missed in silence."""
    for variable, setting in misspelt(os.environ):
        log.warning("%s is no setting and is not heeded; %s is one", variable, setting)


def misspelt(variables: Iterable[str]) -> list[tuple[str, str]]:
    """Names that look like settings and are none, each with the setting that it resembles."""
    from worker.setting_values import is_secret
    from worker.settings import Settings

    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name.upper()}_FILE" for name, field in Settings.model_fields.items() if is_secret(field)}
    found = []
    for variable in sorted(variables):
        name = variable.upper().removeprefix(_PREFIX)
        if name == variable.upper() or name in known or name in _OF_COMPOSE:
            continue
        found += [(variable, _PREFIX + near) for near in difflib.get_close_matches(name, known, 1, _RESEMBLES)]
    return found
