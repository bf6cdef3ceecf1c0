"""`folioscope` with a fake service in place of the real one, for tests of processes and signals.

`FAKE_READ=0` leaves documents unread.
"""

from __future__ import annotations

import os
import sys
import types
from contextlib import contextmanager

from index.ownership import Ownership
from tests.api_kit import FakeService


@contextmanager
def open_service(settings):
    ownership = Ownership(settings.data_dir)
    service = FakeService(read_at_once=os.environ.get("FAKE_READ") != "0")
    try:
        yield service
    finally:
        print("closed", file=sys.stderr, flush=True)
        service.close()
        ownership.release()


wiring = types.ModuleType("worker.wiring")
wiring.open_service = open_service
sys.modules["worker.wiring"] = wiring

if __name__ == "__main__":
    from api.cli import main

    main()
