"""`folioscope mcp` where no service runs: the archive is taken for calls, and let go of between them."""

from __future__ import annotations

import asyncio
import errno
import gc
import weakref
from contextlib import asynccontextmanager

import pytest

from api.cli_client import ApiError, Client
from api.cli_mcp import Archive
from index.errors import StoreUnavailable


class Found:
    """What the options mean, without an archive: counts who has it open."""

    def __init__(self, *, in_process=True):
        self.held = 0
        self.opened = 0
        self.others = False
        self.let_go = asyncio.Event()
        self._client = Client(None, in_process=in_process)

    @asynccontextmanager
    async def __call__(self):
        if self.others:
            raise StoreUnavailable("It is in use by process 7.", code="data_dir_in_use")
        self.held += 1
        self.opened += 1
        try:
            yield self._client
        finally:
            self.held -= 1
            self.let_go.set()


@asynccontextmanager
async def resting(archive):
    task = asyncio.ensure_future(archive.rest())
    try:
        yield task
    finally:
        task.cancel()
        await archive.close()


def test_let_go_of_between_calls():
    """Not while a call lasts; what comes after a rest opens it again, and the end closes it."""

    async def main():
        found = Found()
        archive = Archive(found, rest_s=0.05)
        async with resting(archive):
            async with archive.call({}):
                await asyncio.sleep(0.2)
                assert found.held == 1
            await asyncio.wait_for(found.let_go.wait(), 20)
            assert found.held == 0
            async with archive.call({}) as one, archive.call({}) as other:
                assert one is other
            assert (found.held, found.opened) == (1, 2)
        assert found.held == 0

    asyncio.run(main())


def test_waits_for_another_assistant():
    """Which has it open for a call: neither the start fails nor the call, unless that goes on."""

    async def main():
        found = Found()
        found.others = True
        archive = Archive(found, patience_s=0.1)
        await archive.look()
        with pytest.raises(ApiError, match="process 7") as caught:
            async with archive.call({}):
                pass
        assert caught.value.code == "data_dir_in_use"
        patient = Archive(found, patience_s=20)
        asyncio.get_running_loop().call_later(0.3, setattr, found, "others", False)
        async with patient.call({}):
            assert found.held == 1
        await patient.close()

    asyncio.run(main())


def test_calls_that_wait_do_so_together():
    """Each behind the others, the last of five was told after five times as long, when its assistant had gone."""

    async def main():
        found = Found()
        found.others = True
        archive = Archive(found, patience_s=1)

        async def call():
            with pytest.raises(ApiError, match="process 7"):
                async with archive.call({}):
                    pass

        await asyncio.wait_for(asyncio.gather(*(call() for _ in range(5))), 3)

    asyncio.run(main())


def test_a_service_that_ran_may_be_gone():
    """It is looked for again after a rest: whoever ended it had an assistant that knew nothing but its address. Between
    calls that follow each other it is kept, or a service that starts anew would find its archive taken.
    """

    async def main():
        found = Found(in_process=False)
        archive = Archive(found, rest_s=1)
        async with resting(archive):
            for _ in range(2):
                async with archive.call({}):
                    assert found.opened == 1
            await asyncio.wait_for(found.let_go.wait(), 20)
            async with archive.call({}):
                assert found.opened == 2

    asyncio.run(main())


def test_what_goes_wrong_between_calls_ends_nothing(caplog):
    """Closing on a full disk: the assistant keeps its server, and the next call opens the archive again."""
    opened, tried = [], asyncio.Event()

    @asynccontextmanager
    async def full():
        opened.append(True)
        yield Client(None, in_process=True)
        tried.set()
        if len(opened) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    async def main():
        archive = Archive(full, rest_s=0.05)
        async with resting(archive) as task:
            async with archive.call({}):
                pass
            await asyncio.wait_for(tried.wait(), 20)
            async with archive.call({}):
                assert len(opened) == 2
            assert not task.done()

    asyncio.run(main())
    assert "No space left" in caplog.text


def test_what_is_wrong_is_told_at_the_start():
    """No archive there, say: the assistant's log has it, and not each call."""

    @asynccontextmanager
    async def nowhere():
        raise ApiError("There is no archive.", code="no_archive")
        yield

    with pytest.raises(ApiError, match="no archive"):
        asyncio.run(Archive(nowhere).look())


def test_what_is_let_go_of_leaves_memory():
    """Models and index hang on rings of objects: without a look for them two or three services lay there at a time."""

    class Service:
        def __init__(self):
            self.knows = self

    seen = []

    @asynccontextmanager
    async def opened():
        service = Service()
        seen.append(weakref.ref(service))
        yield Client(service, in_process=True)

    async def main():
        archive = Archive(opened)
        async with archive.call({}):
            assert seen[0]() is not None
        await archive.close()
        assert seen[0]() is None

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
