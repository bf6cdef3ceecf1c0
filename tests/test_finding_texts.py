"""The texts that benchmarks of finding and answering are about."""

from __future__ import annotations

from benchmarks import finding_texts

PLACE = ("letters/one.pdf", 1)


def test_what_other_code_has_read_is_read_again(tmp_path, monkeypatch):
    """Else a benchmark would tell of a reader that is no more. Tesseract's reading stays."""
    known = {
        "archive": {"sha256": "a" * 64},
        "documents": [{"path": PLACE[0], "pages": [{"page": 1, "text": "true"}]}],
    }
    reads = []

    def read(known, samples, source):
        reads.append(source)
        return {PLACE: f"{source} {len(reads)}"}

    monkeypatch.setattr(finding_texts, "CACHE", tmp_path)
    monkeypatch.setattr(finding_texts, "truth", lambda samples: known)
    monkeypatch.setattr(finding_texts, "_read", read)
    for code in ("one", "one", "two"):
        monkeypatch.setattr(finding_texts, "_reading_code", lambda code=code: code)
        finding_texts.texts("ours")
        finding_texts.texts("tesseract")
    assert reads == ["ours", "tesseract", "ours"]
    assert finding_texts.texts("ours") == {PLACE: "ours 3"}


def test_code_that_reads_is_told_apart(tmp_path):
    (tmp_path / "worker" / "layout").mkdir(parents=True)
    (tmp_path / "requirements.lock").write_text("numpy==2\n")
    rules = tmp_path / "worker" / "layout" / "rules.py"
    rules.write_text("GAP = 1\n")
    before = finding_texts._reading_code(tmp_path)
    assert finding_texts._reading_code(tmp_path) == before
    (tmp_path / "worker" / "views.py").write_text("")
    assert finding_texts._reading_code(tmp_path) == before
    rules.write_text("GAP = 2\n")
    assert finding_texts._reading_code(tmp_path) != before
    assert finding_texts._reading_code() == finding_texts._reading_code()
