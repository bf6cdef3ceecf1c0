"""A PDF portfolio is told as one: its only page says nothing of the files in it, which are not read."""

from __future__ import annotations

import pymupdf
import pytest

from index.errors import BadDocument
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)


def portfolio(*, pages: int = 1, files: int = 2, view: str | None = "/T") -> bytes:
    """`view`: how the folder is shown, None for a PDF that is none."""
    document = pymupdf.open()
    for _ in range(pages):
        document.new_page(width=300, height=200).insert_text((20, 100), "Open this portfolio in another program.")
    for number in range(files):
        document.embfile_add(f"letter {number}.pdf", kit.pdf_bytes())
    if view is not None:
        document.xref_set_key(document.pdf_catalog(), "Collection", f"<</Type/Collection/View{view}>>")
    return document.tobytes()


def test_a_portfolio_is_refused_by_name(renderer, put):
    with pytest.raises(BadDocument) as refused:
        renderer.split(put(portfolio()), kit.PDF, None)
    assert refused.value.code == "portfolio"
    assert "Save these files out of it" in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        portfolio(view=None),  # files behind a document, as behind an invoice
        portfolio(view="/H"),  # a folder that is not shown
        portfolio(files=0),
        portfolio(pages=3),  # a document of its own
    ],
)
def test_what_is_no_portfolio_is_read(renderer, put, data):
    path = put(data)
    assert renderer.split(path, kit.PDF, None)
    assert renderer.render(path, kit.PDF, 1, None).image.size[0] > 0
