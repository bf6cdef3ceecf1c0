"""The text embedder: which files are loaded, and that all ways of computing agree."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from index import graphs
from index.embedder_st import EmbedderConfig, SentenceEmbedder, build_embedder
from index.embedder_weights import locate
from index.errors import ConfigError
from index.passages import embed_passages

TEXTS = [
    "The annual general meeting was held in the town hall.",
    "Invoice INV-2024-0117: 12 reams of paper at £4.20.",
    "x",
    "Der Ausschuß beschloß, die Brücke instand zu setzen. " * 12,
    "word " * 2000,
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def embedder(cache):
    return build_embedder(None, cache)


@pytest.fixture(scope="module")
def exact(cache):
    """OpenVINO in float32."""
    return build_embedder(None, cache, EmbedderConfig(int8=False))


@pytest.fixture(scope="module")
def reference():
    return build_embedder(None, None, EmbedderConfig(openvino=False))


def test_construction_loads_nothing():
    """Name and dimension of the shipped model are known without its weights."""
    embedder = build_embedder(None, None)
    assert embedder.name == "sentence-transformers/all-MiniLM-L6-v2@53aa5117"
    assert embedder.dim == 384
    assert embedder._backend is None


def test_names_of_the_shipped_model_are_the_shipped_model():
    """Its short and its full name mean the files that were installed."""
    assert locate("all-MiniLM-L6-v2") == locate(None) == locate("sentence-transformers/all-MiniLM-L6-v2")


def test_changed_weights_are_refused(tmp_path):
    """One flipped byte in the weights or the tokenizer is a ConfigError before anything is loaded."""
    shipped = locate(None)
    for name in ("model.safetensors", "tokenizer.json"):
        copy = tmp_path / name.split(".")[0]
        shutil.copytree(shipped.directory, copy)
        with (copy / name).open("r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
        files = type(shipped)(copy, shipped.name, shipped.dim, pinned=True)
        with pytest.raises(ConfigError, match=rf"{name}.*sha256"):
            SentenceEmbedder(files, None).embed(["x"])


def test_unknown_models_are_refused_without_a_download(tmp_path):
    """A name that is not on this machine and a directory without safetensors say what to do."""
    with pytest.raises(ConfigError, match="downloads nothing"):
        build_embedder("nobody/no-such-model", None)
    with pytest.raises(ConfigError, match="safetensors"):
        build_embedder(str(tmp_path), None)


@pytest.mark.models
def test_openvino_agrees_with_torch(exact, reference):
    """The converted graph runs, and its vectors are those of sentence-transformers in float32."""
    assert exact.runtime == "openvino"
    ours, theirs = exact.embed(TEXTS), reference.embed(TEXTS)
    assert ours.dtype == np.float32
    assert (ours * theirs).sum(axis=1).min() > 0.9999
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.models
def test_a_text_has_one_vector_in_any_company(embedder):
    """To the last bit: alone, among texts of other lengths and in another order, for int8 would make much of little."""
    texts = [*TEXTS, "coal", "ship", "harbour", *(" ".join(TEXTS[0].split()[:n]) for n in range(1, 11))]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)
    assert np.array_equal(embedder.embed(texts[::-1]), alone[::-1])


@pytest.mark.models
def test_parts_average_to_the_whole(exact, reference):
    """Sums of token vectors over all parts point where the text's own vector does, nearly: [CLS] and [SEP] are
    left out; both backends agree on each part."""
    text = "The boiler burst in March. The coal was bought in Leeds."
    parts = [(0, 26), (27, len(text))]
    (sums, counts), (theirs, their_counts) = (e.embed_parts([text], [parts])[0] for e in (exact, reference))
    assert counts.tolist() == their_counts.tolist() == [6, 7]
    assert np.allclose(sums, theirs, atol=1e-3)
    whole = sums.sum(axis=0)
    assert whole / np.linalg.norm(whole) @ exact.embed([text])[0] > 0.98


@pytest.mark.models
def test_what_the_model_cuts_off_counts_nothing(embedder):
    """Parts behind the model's limit have no tokens instead of wrong ones."""
    text = "word " * 2000
    sums, counts = embedder.embed_parts([text], [[(0, 50), (9000, 9900)]])[0]
    assert counts.tolist() == [10, 0]
    assert not sums[1].any()


@pytest.mark.models
def test_threads_get_their_own_answers(embedder):
    """Eight threads embed at once; each gets what it would have got alone."""
    texts = [[f"thread {n} talks about {topic}" for topic in ("coal", "ships", "bread")] for n in range(8)]
    alone = [embedder.embed(t) for t in texts]
    together: dict[int, list[np.ndarray]] = {n: [] for n in range(8)}

    def work(n: int) -> None:
        for _ in range(5):
            together[n].append(embedder.embed(texts[n]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(8):
        assert len(together[n]) == 5
        assert all(np.allclose(got, alone[n], atol=1e-5) for got in together[n])


@pytest.mark.models
def test_a_model_directory_of_ones_own(tmp_path, cache):
    """A sentence-transformers directory is a setting; its name carries a hash of its weights."""
    mine = tmp_path / "my-model"
    shutil.copytree(locate(None).directory, mine)
    embedder = build_embedder(str(mine), cache)
    assert embedder.name.startswith("my-model@")
    assert embedder.dim == 384
    near = embedder.embed(["a ship in the harbour", "a boat in the port", "tax law"])
    assert near[0] @ near[1] > near[0] @ near[2] + 0.2


@pytest.mark.models
def test_a_pages_sentences_know_their_own_meaning(embedder):
    """Late pooling: a question is nearest to the sentence that answers it."""
    text = (
        "# Harbour Committee\nThe crane was painted green. Two lads were fined for stealing rope. "
        "The dredger broke down and the channel silted up. A vote of thanks closed the meeting."
    )
    vectors = embed_passages(embedder, text)
    question = embedder.embed(["Who had to pay a penalty for theft?"])[0]
    best = int((vectors.sentence_vectors @ question).argmax())
    start, end = vectors.sentence_spans[best]
    assert text[start:end] == "Two lads were fined for stealing rope."


@pytest.mark.models
def test_the_cache_is_used_again(cache, embedder):
    """A second embedder with the same cache converts nothing."""
    embedder.warm()
    made = sorted(p.stat().st_mtime_ns for p in cache.rglob("model.bin"))
    again = build_embedder(None, cache)
    again.warm()
    assert again.runtime == "openvino"
    assert sorted(p.stat().st_mtime_ns for p in cache.rglob("model.bin"))[: len(made)] == made


@pytest.mark.models
def test_a_cache_may_be_named_from_where_one_stands(tmp_path, monkeypatch):
    """`serve --data mine` converts into `mine` here, although the conversion runs in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    assert build_embedder(None, Path("mine")).runtime == "openvino"
    assert list(tmp_path.glob("mine/*/meta.json"))


@pytest.mark.parametrize("made", ["link", "open to others", "a file"])
def test_a_temporary_folder_that_others_may_write_to_is_not_used(made, tmp_path, monkeypatch):
    """Its name can be guessed, so somebody else's graph may lie there: another folder is drawn, for this user alone."""
    monkeypatch.setattr(graphs.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(graphs.tempfile, "tempdir", str(tmp_path))
    guessed, theirs = tmp_path / f"folioscope-{os.getuid()}", tmp_path / "theirs"
    theirs.mkdir()
    if made == "link":
        guessed.symlink_to(theirs)
    elif made == "a file":
        guessed.write_text("x")
    else:
        guessed.mkdir()
        guessed.chmod(0o777)
    drawn = graphs.scratch()
    assert drawn.parent == tmp_path
    assert drawn not in {guessed, theirs}
    assert drawn.stat().st_mode & 0o777 == 0o700
    assert graphs.scratch() != drawn


def test_ones_own_temporary_folder_is_used_again(tmp_path, monkeypatch):
    """Where nobody was there first it is made for this user alone, and found the next time."""
    monkeypatch.setattr(graphs.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = graphs.scratch()
    assert folder == tmp_path / f"folioscope-{os.getuid()}" == graphs.scratch()
    assert folder.stat().st_mode & 0o777 == 0o700
