"""The settings of a command: the environment, and the options that go before it."""

from __future__ import annotations

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
        return Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"FOLIOSCOPE_{name}: {first['msg']}.", code="bad_setting") from None
    except SettingsError as error:
        raise ConfigError(str(error.__cause__ or error), code="bad_setting") from None
