"""Serving as a process: found by others, stopped by signals, refusing what it should."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api import cli_client, serve
from index.errors import ConfigError, InternalError
from tests.api_kit import FakeService, wait_for
from worker import wiring
from worker.settings import Settings

ROOT = Path(__file__).parent.parent


class Process:
    """A `folioscope` process over the fake service."""

    def __init__(self, data, *arguments, **environment):
        self.data = data
        # A script's background commands are told to ignore SIGINT, and tests that run there would hand that down.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli_fake_main", *map(str, arguments)],
                env={**os.environ, "FOLIOSCOPE_DATA_DIR": str(data), "FOLIOSCOPE_URL": "", **environment},
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def end(self, timeout=120):
        """(exit code, stdout, stderr)"""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path):
    """Starts processes on one data directory and ends those that are left."""
    started = []

    def go(*arguments, **environment):
        started.append(Process(tmp_path / "data", *arguments, **environment))
        return started[-1]

    yield go
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def serving(start, *arguments, **environment):
    """A process that serves, and (host, port)."""
    one = start("serve", "--port", "0", *arguments, **environment)
    file = one.data / "service.json"
    wait_for(lambda: file.exists() or one.process.poll() is not None, 120)
    assert one.process.poll() is None, one.end()
    host, port = json.loads(file.read_text())["url"].removeprefix("http://").split(":")
    return one, (host, int(port))


def get(address, path):
    connection = http.client.HTTPConnection(*address, timeout=120)
    connection.request("GET", path)
    return connection.getresponse()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_cleanly(start, number):
    """The address is printed, both signals end it with 0, closed, and nobody finds it any more."""
    one, address = serving(start)
    assert get(address, "/livez").status == 200
    one.process.send_signal(number)
    code, out, err = one.end()
    assert code == 0, err
    assert f"http://{address[0]}:{address[1]}" in out
    assert "closed" in err
    assert "Traceback" not in err
    assert not (one.data / "service.json").exists()


def test_open_streams_do_not_hold_the_end_up(start, tmp_path):
    """A browser that follows a document is let go at once."""
    one, address = serving(start, FAKE_READ="0")
    (tmp_path / "a.pdf").write_bytes(b"one\ftwo")
    added = start("add", tmp_path / "a.pdf", "--no-wait", "--json")
    code, out, err = added.end()
    assert code == 0, err
    stream = get(address, f"/v1/documents/{json.loads(out)['id']}/events")
    assert stream.status == 200
    one.process.terminate()
    code, _, err = one.end()
    assert code == 0
    assert "graceful shutdown" not in err, "the server waited for the stream as long as it waits at all"
    assert b"event: end" not in stream.read()


def test_other_commands_find_the_running_service(start, tmp_path):
    """By its file in the data directory, though the service owns that."""
    serving(start)
    (tmp_path / "a.pdf").write_bytes(b"one\ftwo")
    code, _, err = start("add", tmp_path / "a.pdf").end()
    assert code == 0, err
    assert "closed" not in err
    assert json.loads(start("ls", "--json").end()[1])["filename"] == "a.pdf"


def test_without_a_service_commands_open_the_data_themselves(start, tmp_path):
    """The same command, no socket; also when a dead service left its file."""
    (tmp_path / "a.pdf").write_bytes(b"one\ftwo")
    (tmp_path / "data").mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "data" / "service.json").write_text(json.dumps({"pid": dead.pid, "url": "http://127.0.0.1:9"}))
    code, out, err = start("add", tmp_path / "a.pdf").end()
    assert code == 0, err
    assert "✓ a.pdf  2 pages" in out
    assert "closed" in err


def test_a_service_too_busy_to_answer_is_there(tmp_path, monkeypatch):
    """Its address is taken, instead of opening the data that it holds; one where nobody listens is none."""
    monkeypatch.setattr(cli_client, "_LOOK_S", 0.2)
    with serve.bind("127.0.0.1", 0) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "service.json").write_text(json.dumps({"pid": os.getpid(), "url": url}))
        assert asyncio.run(cli_client.running_url(tmp_path)) == url
    assert asyncio.run(cli_client.running_url(tmp_path)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "url": 5}', '{"pid": 1, "url": "::"}'])
def test_a_broken_service_file_is_ignored(start, tmp_path, content):
    """Whoever wrote it."""
    (tmp_path / "data" / "documents").mkdir(parents=True)
    (tmp_path / "data" / "service.json").write_text(content)
    code, _, err = start("ls").end()
    assert code == 0, err
    assert "There are no documents yet" in err


def test_ctrl_c_ends_a_waiting_command(start, tmp_path):
    """130, without a traceback."""
    (tmp_path / "a.pdf").write_bytes(b"one")
    one = start("add", tmp_path / "a.pdf", FAKE_READ="0")
    assert one.process.stderr.readline().startswith("uploaded")
    time.sleep(0.5)
    one.process.send_signal(signal.SIGINT)
    code, _, err = one.end()
    assert code == 130, err
    assert "Traceback" not in err


def test_assistants_are_answered(start):
    """The real server, as the command starts it, speaks MCP at /mcp."""
    _, address = serving(start)
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    connection = http.client.HTTPConnection(*address, timeout=120)
    accepts = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection.request("POST", "/mcp", call, accepts | {"MCP-Protocol-Version": "2025-06-18"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    assert {tool["name"] for tool in json.loads(body)["result"]["tools"]} >= {"search", "ask"}


def test_a_taken_port_is_said(start):
    """In one line that names the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, err = start("serve", "--port", taken.getsockname()[1]).end()
    assert (code, out) == (1, "")
    assert "is in use" in err
    assert "--port 0" in err
    assert len(err.splitlines()) == 1


def test_a_taken_data_directory_is_said(start):
    """The second service names the first."""
    one, _ = serving(start)
    code, _, err = start("serve", "--port", "0").end()
    assert code == 1
    assert str(one.process.pid) in err
    assert (one.data / "service.json").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104
def test_other_addresses_are_refused_without_keys(start, host):
    """Everybody who reaches it could read and delete everything."""
    code, _, err = start("serve", "--host", host).end()
    assert code == 1
    assert "folioscope keys create" in err


def test_other_addresses_with_a_key(start):
    """Then by whatever name, and nobody without the key."""
    code, key, err = start("keys", "create", "--name", "me").end()
    assert code == 0, err
    _, (_, port) = serving(start, "--host", "0.0.0.0")  # noqa: S104
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {key.strip()}"}, 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", "/v1/documents", headers={"Host": "archive.example", **headers})
        assert connection.getresponse().status == status


def test_json_logs(start):
    """Each line is one JSON object that names the request."""
    one, address = serving(start, "--json-logs", "--json", FOLIOSCOPE_LOG_LEVEL="DEBUG")
    get(address, "/livez").read()
    one.process.terminate()
    _, out, err = one.end()
    assert json.loads(out)["url"].endswith(str(address[1]))
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["logger"] == "folioscope.access"]
    assert (line["route"], line["status"]) == ("/livez", 200)
    assert len(line["request_id"]) == 32


def test_a_bad_setting_is_said(start):
    """By its name."""
    code, _, err = start("ls", FOLIOSCOPE_PORT="many").end()
    assert code == 1
    assert "FOLIOSCOPE_PORT" in err


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104
        ("", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host, loopback):
    """What only this machine reaches."""
    assert serve.is_loopback(host) is loopback


def test_unknown_addresses_are_said():
    """No traceback of a resolver."""
    with pytest.raises(ConfigError, match="no address"):
        serve.bind("no.such.host.invalid", 0)


def test_small_answers_do_not_wait_for_acknowledgements(start):
    """On one connection: 40 ms each, but for the first few, if the socket gathered small writes. On a busy machine most
    may take as long, so the fastest are looked at.
    """
    _, address = serving(start)
    connection = http.client.HTTPConnection(*address, timeout=120)
    times = []
    for _ in range(100):
        started_at = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        times.append(time.perf_counter() - started_at)
    assert sorted(times[50:])[5] < 0.03


def test_looking_is_not_logged(start):
    """Probes and pollers would drown the rest; what failed is there."""
    one, address = serving(start)
    get(address, "/livez").read()
    get(address, "/nothing").read()
    one.process.terminate()
    err = one.end()[2]
    assert "/livez" not in err
    assert "GET /nothing 404" in err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    """Nothing is announced and no address is left for others to find, instead of an end as if all were well."""

    @contextlib.contextmanager
    def open_service(_settings):
        yield FakeService()

    @contextlib.asynccontextmanager
    async def broken():
        raise RuntimeError("a part that cannot start")
        yield

    def build_app(*given, **named):
        app = build(*given, **named)
        app.state.running.append(broken())
        return app

    build, announced = serve.build_app, []
    monkeypatch.setattr(wiring, "open_service", open_service)
    monkeypatch.setattr(serve, "build_app", build_app)
    with pytest.raises(InternalError, match="did not start"):
        serve.serve(Settings(data_dir=tmp_path, port=0), announce=announced.append)
    assert announced == []
    assert not (tmp_path / "service.json").exists()
