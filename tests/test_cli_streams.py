"""What the command line writes to: pipes that nobody reads, full disks, locales with few letters, no folder at all."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from api import cli
from api.cli_output import Output
from index.errors import ConfigError
from index.ownership import Ownership

ROOT = Path(__file__).parent.parent


def help_into(stdout):
    """(exit code, stderr) of a process that writes its help there."""
    command = [sys.executable, "-m", "api.cli", "--help"]
    done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def test_a_pipe_that_nobody_reads_is_no_error():
    """`folioscope ls | head -1`: whoever read the output has seen enough, and nothing is complained of."""
    unread, pipe = os.pipe()
    os.close(unread)
    try:
        assert help_into(pipe) == (0, "")
    finally:
        os.close(pipe)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_neither_is_it_under_a_table_or_json(tmp_path, form):
    """Whatever writes; and who started the command may have closed its output altogether."""
    assert cli.run(["keys", "create", "--name", "me", "--data", str(tmp_path)]) == 0
    command = [sys.executable, "-m", "api.cli", "keys", "list", "--data", str(tmp_path), *form]
    unread, pipe = os.pipe()
    os.close(unread)
    for stdout, how in ((pipe, command), (None, ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command])):
        done = subprocess.run(how, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(pipe)


def test_an_output_that_cannot_be_written_is_one_line():
    """A full disk under the output: exit code 1 and its reason, no traceback."""
    with Path("/dev/full").open("w") as full:
        assert help_into(full) == (1, "The output cannot be written: No space left on device.\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_the_letters_loses_letters_only(monkeypatch, encoding):
    """They become question marks; JSON escapes what it cannot carry, and stays whole."""
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
        patch.setattr(sys, "argv", ["folioscope", "--version"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        Output().say("“a quote” – of whom?")
        Output().json({"quote": "“ł”"})
        sys.stdout.flush()
        _, said, told = written.getvalue().decode(encoding).splitlines()
    assert ended.value.code == 0
    assert said == "?a quote? ? of whom?"
    assert json.loads(told) == {"quote": "“ł”"}


def test_a_data_directory_that_cannot_be_one_is_told(tmp_path):
    """A file in its place, or above it: what is wrong, and what to do."""
    file = tmp_path / "file"
    file.touch()
    for data in (file, file / "below"):
        with pytest.raises(ConfigError, match=f"directory {data} cannot be used: Not a directory") as refused:
            Ownership(data)
        assert refused.value.code == "data_dir_unusable"


def test_a_level_of_logging_that_there_is_not_is_told(tmp_path, monkeypatch, capsys):
    """Small letters do."""
    arguments = ["keys", "list", "--data", str(tmp_path)]
    for level, code, said in (("debug", 0, "There are no keys"), ("loud", 1, "FOLIOSCOPE_LOG_LEVEL is DEBUG, INFO")):
        monkeypatch.setenv("FOLIOSCOPE_LOG_LEVEL", level)
        assert cli.run(arguments) == code
        assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host"])
def test_where_a_worker_cannot_serve_its_metrics_is_told(monkeypatch, capsys, tmp_path, host):
    """The second worker of a machine has the port of the first one."""
    pytest.importorskip("celery")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("FOLIOSCOPE_METRICS_PORT", str(port))
        monkeypatch.setenv("FOLIOSCOPE_METRICS_HOST", host)
        assert cli.run(["worker", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"Metrics cannot be served on {host} port {port}: ")
    assert told.count("\n") == 1
