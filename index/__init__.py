"""index remembers: catalog, blobs, Qdrant, search and text embedding."""

import sys

# OpenVINO's packages tell its maker when they are imported and what is converted, by way of an analytics service.
# Without this one they take a stub that tells nothing. Here, since each process of ours imports `index` first.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
