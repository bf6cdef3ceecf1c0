"""Runs the command line in this process, against a fake service behind a real socket."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

from api import cli
from tests.api_kit import Api, FakeService, serving


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    def __init__(self, service, url, capsys):
        self.service, self.url, self._capsys = service, url, capsys

    def __call__(self, *arguments, url=True):
        code = cli.run([str(one) for one in arguments] + (["--url", self.url] if url else []))
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)


@contextlib.contextmanager
def fake_cli(capsys, monkeypatch, data_dir):
    """The command, talking to a fake service."""
    monkeypatch.setenv("FOLIOSCOPE_DATA_DIR", str(data_dir))
    monkeypatch.delenv("FOLIOSCOPE_URL", raising=False)
    service = FakeService()
    with serving(Api(service, retry_after_s=1).app) as url:
        yield Cli(service, url, capsys)
    service.close()
