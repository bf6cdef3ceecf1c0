"""The settings of a command: the environment, and the options that go before it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.settings import Settings


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
        raise ConfigError(f"FOLIOSCOPE_{name}: {first['msg']}.", code="bad_setting") from None
    except SettingsError as error:
        raise ConfigError(str(error.__cause__ or error), code="bad_setting") from None
    except RuntimeError as error:  # of a user that there is not
        raise ConfigError(f"FOLIOSCOPE_DATA_DIR: {error}", code="bad_setting") from None
    if found.log_level.upper() not in logging.getLevelNamesMapping():
        raise ConfigError("FOLIOSCOPE_LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL.", code="bad_setting")
    return found
