"""How a Qdrant server is reached, and how the collection on it is laid out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from index.search import DEFAULT_SEARCH, SearchConfig
from index.words import DEFAULT_WORDS, WordsConfig


class Quantization(enum.StrEnum):
    """A second, smaller copy of the passages' vectors that is searched first. The whole vectors decide the score."""

    NONE = "none"
    INT8 = "int8"  # a byte for a number, where float16 takes two


class Placement(enum.StrEnum):
    """Where the server holds the passages' vectors. All data is on disk; this is about what is read into memory."""

    CACHED = "cached"  # read at the start, given up when memory is short
    COLD = "cold"  # read when first needed


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`url` is the REST address (`http://qdrant:6333`); with `grpc` all requests but none go to `grpc_port` of the
    same host. `https` in the URL means TLS for both; `ca_file` is a PEM file that signs the server's certificate.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    collection: str = "folioscope"
    grpc: bool = True
    grpc_port: int = 6334
    ca_file: Path | None = None
    timeout_s: int = 10
    """Longest time for one request."""
    patience_s: float = 4.0
    """How long a request that found no server is tried again. Long enough for a dropped connection, short enough
    for a person who waits: a server that is restarted is the business of whoever tries the whole job again."""
    quantization: Quantization = Quantization.NONE
    placement: Placement = Placement.CACHED
    shards: int = 1
    """Parts of the collection, for clusters. IDF is counted in each part by itself, so scores differ a little."""
    replicas: int = 1
    request_bytes: int = 24 << 20
    """Estimated size at which a batch is sent. A server takes 32 MB (`service.max_request_size_mb`)."""
    scan_piece: int = 256
    """Points fetched at once: some megabytes with content."""
    vision_piece: int = 4
    """The same with vision tokens, up to 8 MB a page."""
    insert_piece: int = 512
    vision_dim: int | None = None
    """Numbers in a vision token that will be stored; None leaves the collection as it is."""
    words: WordsConfig = DEFAULT_WORDS
    search: SearchConfig = field(default_factory=lambda: DEFAULT_SEARCH)
