"""Each service's own command, environment and health check of docker-compose.yml, as local processes.

What is started is what the file says, with paths, ports and names of this machine in the places of a container's, and
without the packages that its image does not have.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from index.types import PageKey
from tests.compose_kit import DOCKERFILES, NO_READING, NO_TORCH, OURS, ROOT, SECRETS, SERVICES
from tests.qdrant_helper import QdrantHelper
from tests.stack_kit import Api, Process, scan, until
from tests.stack_redis import free_port, redis_binary
from tests.without import without
from worker.engine.prompts import Prompt, Task
from worker.settings import Settings
from worker.stack import remote_decoder


class Local:
    """Services of the file as processes of this machine."""

    def __init__(self, root: Path):
        self.root = root
        self.secrets = root / "secrets"
        for path, _ in SECRETS.values():
            (self.secrets / Path(path).name).mkdir(parents=True)
        # What an image has not, its service must not miss.
        self.missing = {
            "api": without(root / "api-image", *NO_TORCH, *NO_READING),
            "worker": without(root / "worker-image", *NO_TORCH),
        }
        self.redis_port, self.api_port = free_port(), free_port()
        self.metrics_ports = {name: free_port() for name in OURS}  # containers have one each, this machine has one
        self.index = None  # once its key is made
        self.processes = {}
        bin_dir = root / "bin"
        bin_dir.mkdir()
        for tool in ("redis-server", "redis-cli"):
            found = shutil.which(tool) or str(Path(redis_binary()).with_name(tool))
            (bin_dir / tool).symlink_to(found)
        # The GPU's engine needs weights: its service runs here with a stub, through the same command line.
        stub = bin_dir / "stub"
        stub.mkdir()
        (stub / "folioscope").write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.stack_service "$@"\n')
        (stub / "folioscope").chmod(0o755)
        self.path = f"{bin_dir}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.stub_path = f"{stub}:{self.path}"

    def here(self, text):
        """A container's paths, names and ports as this machine's."""
        index = self.index.url if self.index is not None else "http://127.0.0.1:1"
        for there, local in (
            ("$$", "$"),
            ("/run/folioscope", str(self.secrets)),
            ("/opt/embedder", str(self.root / "embedder")),
            ("/tmp/redis.conf", str(self.root / "redis.conf")),
            ("--dir /tmp", f"--dir {self.root}"),
            ("redis://redis:6379", f"redis://127.0.0.1:{self.redis_port}"),
            ("6379", str(self.redis_port)),
            ("http://qdrant:6333", index),
            ("127.0.0.1/6333", index.split("//")[1].replace(":", "/")),
            ("0.0.0.0", "127.0.0.1"),
            ("8321", str(self.api_port)),
        ):
            text = text.replace(there, local)
        return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"^/data", str(self.root / "data"), text))

    def environment(self, name):
        environment = {n: v for n, v in os.environ.items() if not n.startswith("FOLIOSCOPE_")}
        environment["PATH"] = self.stub_path if name == "worker-gpu" else self.path
        environment |= {"STACK_VISION": "1", "STACK_REAL_EMBEDDER": "1", "OMP_NUM_THREADS": "1"}
        if name in self.missing:
            environment["PYTHONPATH"] = str(self.missing[name])
        if name in OURS:
            [prepared] = set(
                re.findall(r"FOLIOSCOPE_EMBEDDER_PREPARED=(\S+)", "".join(map(Path.read_text, DOCKERFILES)))
            )
            environment["FOLIOSCOPE_EMBEDDER_PREPARED"] = self.here(prepared)
        for variable, value in SERVICES[name].get("environment", {}).items():
            environment[variable] = self.here(str(value))
        if "FOLIOSCOPE_METRICS_PORT" in environment:
            environment["FOLIOSCOPE_METRICS_PORT"] = str(self.metrics_ports[name])
        if name in OURS:
            # Ports differ from a container's.
            extra = {n: v for n, v in self.index.environment.items() if n not in environment}
            environment |= extra | {"FOLIOSCOPE_MIN_FREE_BYTES": "0"}
        return environment

    def command(self, name):
        service = SERVICES[name]
        return [self.here(part) for part in (*service.get("entrypoint", ()), *service["command"])]

    def start(self, name):
        command, tail = self.command(name), []
        if name.startswith("worker"):
            tail = ["--name", name]  # a container has a host name of its own
        log = self.root / f"{name}.log"
        self.processes[name] = Process([*command, *tail], self.environment(name), log, supervised=False)

    def healthy(self, name):
        test = SERVICES[name]["healthcheck"]["test"]
        command = ["/bin/sh", "-c", self.here(test[1])] if test[0] == "CMD-SHELL" else [self.here(p) for p in test[1:]]
        if name.startswith("worker"):
            command += ["--name", name]
        result = subprocess.run(
            command, env=self.environment(name), capture_output=True, text=True, timeout=180, cwd=ROOT, check=False
        )
        self.last = result.stdout + result.stderr
        return result.returncode == 0

    def stop(self):
        for process in self.processes.values():
            process.end(signal.SIGKILL)
        if self.index is not None:
            self.index.stop()


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(1200)
def test_the_services_of_the_file_work_together(tmp_path):
    """Started by their own commands, found healthy by their own checks, they read a page, find it, answer from it and
    decode it; and the checks say so when something is broken."""
    local = Local(tmp_path)
    try:
        secrets = local.command("secrets")
        for _ in range(2):  # a second start keeps what is there
            subprocess.run(secrets, check=True, timeout=120)
            found = {
                path.relative_to(local.secrets).as_posix(): path.read_text() for path in local.secrets.rglob("*/*")
            }
            assert found.keys() == {"redis/password", "qdrant/api_key", "initial/key"}
            assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in found.values())
            assert len(set(found.values())) == 3
        local.start("redis")
        local.index = QdrantHelper(tmp_path / "qdrant", api_key=found["qdrant/api_key"], grpc=True).start()
        # As the images' builds do, and nothing else of that stage goes on.
        command = [sys.executable, "-m", "index.embedder_prepared", str(tmp_path / "embedder")]
        subprocess.run(command, check=True, timeout=300, cwd=ROOT, capture_output=True)
        for name in local.missing:
            for module in NO_TORCH:
                environment = local.environment(name)
                command = [sys.executable, "-c", f"import {module}"]
                assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 1
        for name in ("redis", "qdrant"):
            until(lambda n=name: local.healthy(n), f"{name} is healthy")
        assert not local.healthy("api")
        assert not local.healthy("worker")
        for name in ("api", "worker", "worker-gpu"):
            local.start(name)
        for name in ("api", "worker", "worker-gpu"):
            until(lambda n=name: local.healthy(n), f"{name} is healthy", pause=1)

        for name in ("worker", "worker-gpu"):
            told = httpx.get(f"http://127.0.0.1:{local.metrics_ports[name]}/metrics", trust_env=False, timeout=60)
            assert "folioscope_" in told.text

        api = Api(f"http://127.0.0.1:{local.api_port}")
        assert api.http.get("/v1/documents").status_code == 401
        api.http.headers["Authorization"] = f"Bearer {(local.secrets / 'initial/key').read_text()}"
        document = api.upload(scan("one", "two"))
        api.wait([document])
        assert api.document(document)["pages"]["done"] > 0

        # The GPU's worker serves `read.gpu`, so pages went there, and their tokens can be decoded.
        values = {
            n.removeprefix("FOLIOSCOPE_").lower(): v
            for n, v in local.environment("api").items()
            if n.startswith("FOLIOSCOPE_") and not n.endswith("_FILE")
        }
        values["broker_password"] = (local.secrets / "redis" / "password").read_text()
        values["qdrant_api_key"] = (local.secrets / "qdrant" / "api_key").read_text()
        values["webhook_hosts"] = json.loads(values["webhook_hosts"])  # as the environment is read
        decoded = remote_decoder(Settings(**values)).decode(PageKey("default", document, 1), Prompt(Task.TEXT))
        assert decoded.text.startswith("text :")
        found = api.http.post("/v1/search", json={"query": "page"}).json()
        assert document in {hit["document_id"] for hit in found["hits"]}

        local.processes["worker-gpu"].end()
        until(lambda: not local.healthy("worker-gpu"), "the missing worker is noticed")
        local.processes["worker"].process.send_signal(signal.SIGSTOP)
        until(lambda: not local.healthy("worker"), "the hanging worker is noticed")
        local.processes["worker"].process.send_signal(signal.SIGCONT)
        until(lambda: local.healthy("worker"), "the worker is well again")
        local.index.kill()
        until(lambda: not local.healthy("api"), "the missing index is noticed")
        local.processes["redis"].end(signal.SIGKILL)
        assert not local.healthy("redis")
        time.sleep(0.1)
        assert not local.healthy("worker")
    except BaseException:
        for name, process in local.processes.items():
            print(f"--- {name}\n{process.said()[-3000:]}")
        raise
    finally:
        local.stop()
