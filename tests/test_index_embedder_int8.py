"""Int8 products of the text embedder: how exact they are, what stays float32, and where they are not used."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from index import embedder_int8
from index.embedder_st import EmbedderConfig, build_embedder

pytestmark = pytest.mark.models

SENTENCES = [
    "The annual general meeting was held in the town hall.",
    "Invoice INV-2024-0117: 12 reams of paper at £4.20.",
    "Der Ausschuß beschloß, die Brücke instand zu setzen.",
    "Resolved: that Mrs Hartley be thanked for eleven years as honorary treasurer, and the balance carried over.",
    "Who paid for the repair of the roof after the storm?",
]
WORDS = ["coal", "penalty", "harbour", "invoice", "Ausschuß", "x"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def exact(cache):
    """float32 vectors of sentences and words."""
    embedder = build_embedder(None, cache, EmbedderConfig(int8=False))
    return embedder.embed(SENTENCES), embedder.embed(WORDS)


@pytest.fixture
def graph(cache, exact):
    """The converted model as OpenVINO reads it."""
    import openvino

    (path,) = cache.rglob("model.xml")
    return openvino.Core().read_model(str(path))


def test_int8_means_the_same(cache, exact, monkeypatch):
    """Also where the processor is not made for it: vectors of sentences and words are nearly those of float32."""
    monkeypatch.setattr(embedder_int8, "pays", lambda: True)
    embedder = build_embedder(None, cache)
    sentences, words = (np.sum(embedder.embed(t) * e, axis=1) for t, e in zip((SENTENCES, WORDS), exact, strict=True))
    assert sentences.min() > 0.999
    assert words.min() > 0.995
    assert max(sentences.max(), words.max()) < 1 - 1e-5, "computed in float32 after all"


def test_weights_stay_near_and_attention_keeps_its_values(graph):
    """Of six products a layer five are narrowed; each group of weights is off by half a step of its scale at most."""
    weighted = ((node.get_friendly_name(), embedder_int8._weights_of(node)) for node in graph.get_ordered_ops())
    before = {name: weights for name, weights in weighted if weights is not None}
    assert embedder_int8.quantise(graph) == 30
    assert len(before) == 36
    for node in graph.get_ordered_ops():
        weights = before.get(node.get_friendly_name())
        if weights is None or "value" in node.get_friendly_name():
            continue
        near = node.input(1).get_source_output().get_node()
        scaled = near.input(0).get_source_output().get_node()
        whole, scales = (scaled.input(n).get_source_output().get_node() for n in (0, 1))
        whole = whole.input(0).get_source_output().get_node().get_data()
        off = np.abs(whole * scales.get_data() - weights.reshape(whole.shape))
        assert whole.dtype == np.int8
        assert (off <= scales.get_data() * 0.501).all()
    assert sum(embedder_int8._weights_of(node) is not None for node in graph.get_ordered_ops()) == 6


def test_other_processors_compute_in_float32(cache, exact, monkeypatch):
    """Without instructions for int8 the vectors are exactly those of float32."""
    monkeypatch.setattr(embedder_int8, "pays", lambda: False)
    assert np.array_equal(build_embedder(None, cache).embed(SENTENCES), exact[0])


def test_a_model_that_int8_harms_stays_float32(cache, exact, tmp_path, monkeypatch):
    """What the conversion measured decides: below the least cosine nothing is narrowed."""
    monkeypatch.setattr(embedder_int8, "pays", lambda: True)
    copy = shutil.copytree(cache, tmp_path / "cache")
    (path,) = copy.rglob("meta.json")
    meta = json.loads(path.read_text())
    assert embedder_int8.MIN_COSINE < meta["cosine_int8"] < meta["cosine"]
    path.write_text(json.dumps(meta | {"cosine_int8": embedder_int8.MIN_COSINE - 0.01}))
    assert np.array_equal(build_embedder(None, copy).embed(SENTENCES), exact[0])


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "expected"),
    [
        ("x86_64", "model name : X\nflags\t\t: fpu avx512f avx512_vnni sse", True),
        ("AMD64", "flags : avx2 avx_vnni", True),
        ("x86_64", "flags : avx2 fma\nbugs : avx512_vnni", False),
        ("aarch64", "Features : asimd avx512_vnni", False),
        ("x86_64", None, False),
    ],
)
def test_which_processors_have_int8(machine, cpuinfo, expected, tmp_path, monkeypatch):
    """Intel's and AMD's with vector instructions for it, as Linux tells; where nothing is told, none."""
    told = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        told.write_text(cpuinfo)
    monkeypatch.setattr(embedder_int8.platform, "machine", lambda: machine)
    monkeypatch.setattr(embedder_int8, "_CPUINFO", told)
    assert embedder_int8.pays.__wrapped__() is expected


@pytest.mark.parametrize(("shape", "narrowed"), [([-1, -1, 64], 1), ([-1, 64], 0), ([1, 64], 0)])
def test_only_layers_over_tokens_are_narrowed(shape, narrowed):
    """A layer that sees one vector for a text, as the head of the judge does, stays float32: int8 gave noise."""
    import openvino as ov
    from openvino import opset13 as ops

    given = ops.parameter(shape, np.float32)
    weights = ops.constant(np.ones((32, 64), np.float32))
    model = ov.Model([ops.matmul(given, weights, False, True)], [given])
    assert embedder_int8.quantise(model) == narrowed
