"""Sentences and passages as spans; late pooling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_kit import HashEmbedder, processor_s

from index.passages import PassageConfig, embed_passages, passage_spans, plain
from index.sentences import sentence_spans
from index.vision import MAX_NUMBERS


def _sentences(text):
    return [text[s:e] for s, e in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. We went home! Why? Nobody knows.", ["It rained.", "We went home!", "Why?", "Nobody knows."]),
        ("Mr. J. Smith paid £3.50 to St. Mary's. He left.", ["Mr. J. Smith paid £3.50 to St. Mary's.", "He left."]),
        ("See No. 5, e.g. the boiler. Fig. 3 shows it.", ["See No. 5, e.g. the boiler.", "Fig. 3 shows it."]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("Am 12. März kam Dr. Kahl. Er blieb.", ["Am 12. März kam Dr. Kahl.", "Er blieb."]),
        ("At 14s. 6d. a yard. He paid 3l. 4s. 0d. Then", ["At 14s. 6d. a yard.", "He paid 3l. 4s. 0d.", "Then"]),
        ("Karl Weiß, geb. 07.11.1933. Er kam.", ["Karl Weiß, geb. 07.11.1933.", "Er kam."]),
        ("The train left at 5 p.m. from Garth. It was late.", ["The train left at 5 p.m. from Garth.", "It was late."]),
        ("Sold to Thos. Cowan of Leith. He paid.", ["Sold to Thos. Cowan of Leith.", "He paid."]),
        ("The Steam Navigation Co. Ltd. met. It rose.", ["The Steam Navigation Co. Ltd. met.", "It rose."]),
        ("Founded in 1894. The line closed.", ["Founded in 1894.", "The line closed."]),
        ("ran over the\nend of a line. Next", ["ran over the\nend of a line.", "Next"]),
        ("昨日は雨でした。今日は晴れです。", ["昨日は雨でした。", "今日は晴れです。"]),
        ("It went to Lieut. Peel. Pte. Hall was there.", ["It went to Lieut. Peel.", "Pte. Hall was there."]),
        ("She towed the brig. Captain Holm sold it.", ["She towed the brig.", "Captain Holm sold it."]),
        ("It lay in the sun. On Sat. Brig. Hall came.", ["It lay in the sun.", "On Sat. Brig. Hall came."]),
        ("A tench of 3 lb. 6 oz. below it. Then 4 cwt. It", ["A tench of 3 lb. 6 oz. below it.", "Then 4 cwt.", "It"]),
        ("no marks at all", ["no marks at all"]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences(text, expected):
    """Marks end sentences; abbreviations, initials, decimals and dates do not."""
    assert _sentences(text) == expected


def test_blocks_are_sentences_of_their_own():
    """Headings, list items and table rows stand alone; rules of tables are nothing."""
    text = (
        "# The Year 1923. A Report\nFirst line.\n- item one\n- item two. More.\n\n| a | b |\n|---|---|\n| 1. | 2 |\nEnd"
    )
    assert _sentences(text) == [
        "# The Year 1923. A Report",
        "First line.",
        "- item one",
        "- item two.",
        "More.",
        "| a | b |",
        "| 1. | 2 |",
        "End",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What happened\nWhile slewing without a load the jib struck a lamp.",
         ["What happened", "While slewing without a load the jib struck a lamp."]),
        ("HARBOUR OFFICE\nThe Quay", ["HARBOUR OFFICE", "The Quay"]),
        ("Dear Mr. Pascoe,\nWe are sorry to tell you of it.", ["Dear Mr. Pascoe,", "We are sorry to tell you of it."]),
        ("The keeper of the light that year was called\nJonas Ferrier. He left.",
         ["The keeper of the light that year was called\nJonas Ferrier.", "He left."]),
        ("paid to\nJonas Ferrier and to his two brothers", ["paid to\nJonas Ferrier and to his two brothers"]),
        ("signed by Mr.\nFerrier of the lamp department", ["signed by Mr.\nFerrier of the lamp department"]),
        ("He stayed for life.It was to him that I wrote.", ["He stayed for life.", "It was to him that I wrote."]),
        ("See www.harbour.org and at 5 p.m.Then it rained.", ["See www.harbour.org and at 5 p.m.Then it rained."]),
    ],
)  # fmt: skip
def test_a_title_line_is_not_glued_to_the_sentence_below_it(text, expected):
    """Letterheads, captions and salutations end with their line; a sentence wrapped over a line end does not."""
    assert _sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "12 oak chairs\n2 maps of the borough, framed\n1 mace in a case\n3 inkstands, of which\n2 broken",
            ["12 oak chairs", "2 maps of the borough, framed", "1 mace in a case", "3 inkstands, of which\n2 broken"],
        ),
        # Prose in which a line or two happens to begin with a number stays prose.
        ("The rate rose from 12 to\n14 per cent, and then\n15 per cent.", None),
    ],
)
def test_lines_that_begin_with_how_many_are_entries_of_a_list(text, expected):
    assert _sentences(text) == (expected or [text])


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .!?\n#|-1東。\u00a0\u2028"), max_size=120))
def test_sentences_cover_all_and_never_overlap(text):
    """For any text: in order, disjoint, trimmed, and nothing with letters or digits is left out."""
    spans = sentence_spans(text)
    assert all(s < e and text[s:e] == text[s:e].strip() for s, e in spans)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
    covered = {i for s, e in spans for i in range(s, e)}
    assert all(i in covered for i, c in enumerate(text) if c.isalnum())


@pytest.mark.parametrize("mark", [".", " .", "- ", "(", "| ", "§", "~~", "! ["])
def test_rows_of_marks_cost_no_more(mark):
    """Leaders, rules and damaged text: the time grows with the length of a line and not with its square."""
    row = "Index " + mark * (40_000 // len(mark))
    with processor_s(5):
        assert _sentences(f"{row} 7\nNext word")[-1].endswith("Next word")
        assert _sentences(f"{row}7\nNext word")[-1].endswith("Next word")


def test_passages_are_about_120_words_and_overlap():
    """Whole sentences, near the target, each overlapping the one before by a sentence or two."""
    text = " ".join(f"This is sentence number {n} and it has exactly eleven words." for n in range(60))
    spans = passage_spans(text)
    sizes = [len(text[s:e].split()) for s, e in spans]
    assert all(100 <= size <= 140 for size in sizes[:-1])
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        assert start < end
        assert len(text[start:end].split()) <= 24
    edges = {edge for span in sentence_spans(text) for edge in span}
    assert all(s in edges and e in edges for s, e in spans)


@pytest.mark.parametrize(
    "text",
    ["word " * 5000, "x" * 20000, "東京都" * 3000, "| 1 | 22 | 333 |\n" * 800, "0123456789 " * 900, "a.b" * 4000],
    ids=["no marks", "one token", "no spaces", "table", "digits", "dotted"],
)
def test_no_passage_is_longer_than_the_model_reads(text):
    """Texts without sentence marks or spaces, and long tables, are cut all the same."""
    spans = passage_spans(text)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text.rstrip())
    assert all(e - s <= 1300 for s, e in spans)
    covered = {i for s, e in spans for i in range(s, e)}
    assert all(i in covered for i, c in enumerate(text) if not c.isspace())


@settings(deadline=None)
@given(st.text(max_size=400))
def test_passages_cover_any_text(text):
    """Whatever the text: passages are non-empty slices in order that hold every letter and digit."""
    spans = passage_spans(text, PassageConfig(target=12, overlap=4, heading_break=6, window=6))
    assert all(0 <= s < e <= len(text) for s, e in spans)
    assert spans == sorted(spans)
    covered = {i for s, e in spans for i in range(s, e)}
    assert all(i in covered for i, c in enumerate(text) if c.isalnum())


def test_plain_drops_markup_and_keeps_words():
    """The model sees words, not Markdown."""
    assert plain("## Total\n| **Coal** | £4 |\n|---|---|\n| a_b | ... |") == "Total Coal £4 a b ..."


class _Late(HashEmbedder):
    """Token vectors by position, so that pooling can be checked exactly."""

    def embed_parts(self, texts, parts):
        out = []
        for text, spans in zip(texts, parts, strict=True):
            rows = np.array([self.embed([text[s:e]])[0] * len(text[s:e].split()) for s, e in spans], np.float32)
            out.append((rows, np.array([len(text[s:e].split()) for s, e in spans])))
        return out


def test_passages_pool_their_sentences():
    """A passage's vector is the mean of its sentences' tokens; sentence vectors are their own, of unit length."""
    text = "The coal was bought in Leeds. " * 3 + "The boiler burst in March."
    late = _Late()
    vectors = embed_passages(late, text)
    assert [text[s:e] for s, e in vectors.sentence_spans] == _sentences(text)
    expected = sum(late.embed([s])[0] * len(s.split()) for s in _sentences(text))
    assert np.allclose(vectors.vectors[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert np.allclose(np.linalg.norm(vectors.sentence_vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors.sentence_vectors[-1], late.embed(["The boiler burst in March."])[0], atol=1e-5)


@pytest.mark.parametrize("embedder", [HashEmbedder(dim=20_000), _Late(dim=20_000)], ids=["one by one", "late"])
def test_a_page_with_more_sentences_than_a_server_takes(embedder):
    """Neighbours share a vector, which is theirs in the middle; together they still hold the whole page."""
    lines = [f"- ton {number} of coal" for number in range(110)]
    text = "\n".join(lines)
    vectors = embed_passages(embedder, text)
    assert vectors.sentence_vectors.size < MAX_NUMBERS
    assert [text[s:e].count("ton") for s, e in vectors.sentence_spans] == [3] * 36 + [2]
    assert [text[s:e] for s, e in vectors.sentence_spans][1] == "\n".join(lines[3:6])
    assert len(vectors.sentence_spans) == len(vectors.sentence_vectors)
    assert np.allclose(np.linalg.norm(vectors.sentence_vectors, axis=1), 1, atol=1e-5)
    alone = embed_passages(embedder, lines[5]).sentence_vectors[0]
    assert int((vectors.sentence_vectors @ alone).argmax()) == 1
    just = embed_passages(embedder, "\n".join(lines[: (MAX_NUMBERS - 1) // 20_000]))
    assert len(just.sentence_spans) == (MAX_NUMBERS - 1) // 20_000


def test_passages_are_no_more_than_fit_either(monkeypatch):
    """A model whose vectors are long enough leaves room for fewer passages than a large page has."""
    monkeypatch.setattr("index.passages.most_tokens", lambda _dim: 3)
    text = "\n".join(f"- ton {number} of coal" for number in range(200))
    plenty = passage_spans(text)
    vectors = embed_passages(HashEmbedder(), text)
    assert len(plenty) > 3
    assert len(vectors.spans) == len(vectors.vectors) <= 3
    assert (vectors.spans[0][0], vectors.spans[-1][1]) == (plenty[0][0], plenty[-1][1])


@pytest.mark.parametrize("embedder", [HashEmbedder(), _Late()], ids=["one by one", "late"])
@pytest.mark.parametrize("text", ["", "   \n", "— … —", "|---|---|", "x"])
def test_pages_with_next_to_nothing(embedder, text):
    """No rows for a page without letters or digits; shapes agree with spans always."""
    vectors = embed_passages(embedder, text)
    assert len(vectors.spans) == len(vectors.vectors) == (1 if text == "x" else 0)
    assert len(vectors.sentence_spans) == len(vectors.sentence_vectors) == len(vectors.spans)
