"""Who owns a data directory: one embedded service, or the processes of one full stack, never both. An advisory lock
that ends with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from index.errors import ConfigError, StoreUnavailable
from index.files import make_directory


class Ownership:
    """Held from construction to `release`; `shared` by the processes of a full stack. `StoreUnavailable` names the
    process that has it; `ConfigError` (`data_dir_unusable`) where nothing can be written.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        try:
            make_directory(root)
            self._file = (root / "owner.lock").open("a+")
        except OSError as error:
            raise ConfigError(
                f"The data directory {root} cannot be used: {error.strerror}. It has to be a folder that this user may "
                "write to; --data (FOLIOSCOPE_DATA_DIR) names another.",
                code="data_dir_unusable",
            ) from None
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreUnavailable(
                f"The data directory {root} is in use by process {owner}. Stop that service, or talk to it over HTTP.",
                code="data_dir_in_use",
            ) from None
        with contextlib.suppress(OSError):  # a full disk: then who has it cannot be told
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), str(os.getpid()).encode())

    def release(self) -> None:
        self._file.close()
