"""docker-compose.yml: what it promises; each service's own command, environment and health check as local processes.

No container runs here. Image names, volumes and networks are looked at; what is started is what the file says, with
paths, ports and names of this machine in the places of a container's.
"""

from __future__ import annotations

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
import yaml

from index.types import PageKey
from tests.qdrant_helper import QdrantHelper
from tests.stack_kit import Api, Process, scan, until
from tests.stack_redis import free_port, redis_binary
from worker.engine.prompts import Prompt, Task
from worker.settings import Settings
from worker.stack import remote_decoder

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {"api", "worker", "worker-gpu"}
DOCKERFILES = [ROOT / "api" / "Dockerfile", ROOT / "worker" / "Dockerfile"]


def clients():
    """Command lines that understand compose files, of those that are here."""
    if shutil.which("docker-compose"):
        yield ["docker-compose"]
    plugin = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode:
        yield plugin


def test_compose_clients_accept_it():
    """With and without the GPU's profile, by every client that is installed (`make test` installs one where it can)."""
    for client in clients():
        for profile in ([], ["--profile", "gpu"]):
            command = [*client, "-f", str(ROOT / "docker-compose.yml"), *profile, "config", "-q"]
            result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert result.returncode == 0, result.stderr


def test_plain_up_starts_what_it_should():
    """Redis, Qdrant, API and a worker by default; the GPU's worker by its profile only."""
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"secrets", "redis", "qdrant", "api", "worker"}
    assert SERVICES["worker-gpu"]["profiles"] == ["gpu"]
    [device] = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert SERVICES["worker-gpu"]["environment"]["FOLIOSCOPE_ENGINE"] == "deepseek-ocr"
    assert "weights:/weights:ro" in SERVICES["worker-gpu"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_confined(name):
    """Pinned image, memory limit, restart policy, no capabilities, read-only root, health check, log rotation."""
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert re.match(r"v?\d+\.\d+\.\d+|\$\{FOLIOSCOPE_VERSION:-\d+\.\d+\.\d+\}", tag), service["image"]
    assert service["mem_limit"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    if name == "secrets":
        assert (service["restart"], service["network_mode"]) == ("no", "none")
    else:
        assert service["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()


def test_only_the_api_is_published():
    """On loopback, until somebody says otherwise; all else is on a network without a way out."""
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"api"}
    assert SERVICES["api"]["ports"] == ["${FOLIOSCOPE_PUBLISH:-127.0.0.1:8321}:8321"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    for name in SERVICES.keys() - {"api", "secrets"}:
        assert SERVICES[name]["networks"] == ["back"]


def test_data_is_in_named_volumes():
    """Every mount is one that the file names, and every one that it names is mounted."""
    mounted = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())}
    assert mounted == set(COMPOSE["volumes"])
    assert all("data:/data" in SERVICES[name]["volumes"] for name in OURS)


def test_secrets_come_from_files():
    """No secret stands in an environment, and every setting is one that there is."""
    known = {f"FOLIOSCOPE_{name.upper()}" for name in Settings.model_fields}
    secret = {
        f"FOLIOSCOPE_{n.upper()}" for n, field in Settings.model_fields.items() if "Secret" in str(field.annotation)
    }
    for name in OURS:
        for variable, value in SERVICES[name]["environment"].items():
            if variable == "TRITON_CACHE_DIR":  # of a library; it names a place that may be written to
                assert any(place.startswith(f"{value}:") for place in SERVICES[name]["tmpfs"])
                continue
            if variable.removesuffix("_FILE") in secret and variable.endswith("_FILE"):
                assert str(value).startswith("/run/folioscope/")
                continue
            assert variable in known, variable
            assert variable not in secret - {"FOLIOSCOPE_BROKER_URL"}
    assert "@" not in SERVICES["api"]["environment"]["FOLIOSCOPE_BROKER_URL"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images(path):
    """Several stages from a pinned image, an unprivileged user at the end, and no CUDA where it does not belong."""
    text = path.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) > 1
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+|base|run", base) for base in bases), bases
    assert re.findall(r"^USER (.*)", text, re.MULTILINE)[-1] == "10001:10001"
    if path.parent.name == "api":
        assert "TORCH_INDEX" in text
        assert "torch.version.cuda is None" in text


def test_the_build_context_holds_what_is_copied():
    """.dockerignore lets in exactly what the Dockerfiles copy."""
    allowed = {
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = set()
    for path in DOCKERFILES:
        for line in re.findall(r"^COPY (?!--from)(.*)", path.read_text(), re.MULTILINE):
            copied |= set(line.split()[:-1])
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


class Local:
    """Services of the file as processes of this machine."""

    def __init__(self, root: Path):
        self.root = root
        self.secrets = root / "secrets"
        self.secrets.mkdir(parents=True)
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
        for variable, value in SERVICES[name].get("environment", {}).items():
            environment[variable] = self.here(str(value))
        if "FOLIOSCOPE_METRICS_PORT" in environment:
            environment["FOLIOSCOPE_METRICS_PORT"] = str(self.metrics_ports[name])
        if name in OURS:
            # REST, not gRPC, is what the stand-in for Qdrant speaks.
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
            command, env=self.environment(name), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
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
@pytest.mark.timeout(600)
def test_the_services_of_the_file_work_together(tmp_path):
    """Started by their own commands, found healthy by their own checks, they read a page, find it, answer from it and
    decode it; and the checks say so when something is broken."""
    local = Local(tmp_path)
    try:
        secrets = local.command("secrets")
        for _ in range(2):  # a second start keeps what is there
            subprocess.run(secrets, check=True, timeout=20)
            found = {path.name: path.read_text() for path in local.secrets.iterdir()}
            assert found.keys() == {"redis_password", "qdrant_api_key", "initial_key"}
            assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in found.values())
        local.start("redis")
        local.index = QdrantHelper(tmp_path / "qdrant", api_key=found["qdrant_api_key"]).start()
        for name in ("redis", "qdrant"):
            until(lambda n=name: local.healthy(n), f"{name} is healthy", 60)
        assert not local.healthy("api")
        assert not local.healthy("worker")
        for name in ("api", "worker", "worker-gpu"):
            local.start(name)
        for name in ("api", "worker", "worker-gpu"):
            until(lambda n=name: local.healthy(n), f"{name} is healthy", 180, pause=1)

        for name in ("worker", "worker-gpu"):
            told = httpx.get(f"http://127.0.0.1:{local.metrics_ports[name]}/metrics", trust_env=False)
            assert "folioscope_" in told.text

        api = Api(f"http://127.0.0.1:{local.api_port}")
        assert api.http.get("/v1/documents").status_code == 401
        api.http.headers["Authorization"] = f"Bearer {(local.secrets / 'initial_key').read_text()}"
        document = api.upload(scan("one", "two"))
        api.wait([document])
        assert api.document(document)["pages"]["done"] > 0

        # The GPU's worker serves `read.gpu`, so pages went there, and their tokens can be decoded.
        values = {
            n.removeprefix("FOLIOSCOPE_").lower(): v
            for n, v in local.environment("api").items()
            if n.startswith("FOLIOSCOPE_") and not n.endswith("_FILE")
        }
        values["broker_password"] = (local.secrets / "redis_password").read_text()
        values["qdrant_api_key"] = (local.secrets / "qdrant_api_key").read_text()
        decoded = remote_decoder(Settings(**values)).decode(PageKey("default", document, 1), Prompt(Task.TEXT))
        assert decoded.text.startswith("text :")
        found = api.http.post("/v1/search", json={"query": "page"}).json()
        assert document in {hit["document_id"] for hit in found["hits"]}

        local.processes["worker-gpu"].end()
        until(lambda: not local.healthy("worker-gpu"), "the missing worker is noticed", 60)
        local.processes["worker"].process.send_signal(signal.SIGSTOP)
        until(lambda: not local.healthy("worker"), "the hanging worker is noticed", 60)
        local.processes["worker"].process.send_signal(signal.SIGCONT)
        until(lambda: local.healthy("worker"), "the worker is well again", 60)
        local.index.kill()
        until(lambda: not local.healthy("api"), "the missing index is noticed", 60)
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
