"""Which documents the archive holds, how each looks, and how each was scanned or saved."""

from __future__ import annotations

from dataclasses import dataclass, field

from samples.marks import Style

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "tif": "image/tiff",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document: where it lies, the style it is set in, and what became of its pages.

    `profile` names a scanner; without one the document is born digital. `layers` is the hidden text of a scanned PDF,
    cycled over its pages; `turned` maps a page to the degrees clockwise its picture was turned; `shown_turned` to
    the PDF page's /Rotate, which shows an accordingly turned picture upright again; `exif` is a JPEG's orientation.
    """

    path: str
    content: str
    style: Style
    profile: str | None = None
    layers: tuple[str, ...] = ("none",)
    turned: dict[int, int] = field(default_factory=dict)
    shown_turned: dict[int, int] = field(default_factory=dict)
    exif: int = 0
    container: str | None = None

    @property
    def full_path(self) -> str:
        """The path through the containers, as `outer.tar.gz/inner.pdf`."""
        return f"{self.container}/{self.path}" if self.container else self.path

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.path.rsplit(".", 1)[1]]


TYPED = Style(body="courier", head="courier", size=10.6, leading=1.42, margin=62, paper="quarto", typed=True)
LETTER = Style(size=11.5, leading=1.35, margin=72, paper="quarto")
OLD_LETTER = Style(body="caladea", head="caladea", size=11, leading=1.38, margin=72, paper="quarto", indent=True)
INVOICE = Style(body="helvetica", head="helvetica", size=10, margin=56)
BILL = Style(body="source-serif", head="source-serif", size=10.5, growth=1.2, margin=58, paper="quarto")
REPORT = Style(body="source-serif", head="helvetica", size=10, growth=1.2, margin=52, justify=True, paper="quarto")
OLD_REPORT = Style(size=11, growth=1.2, leading=1.26, margin=56, justify=True, indent=True, paper="quarto")
NEWS = Style(
    head="caladea", size=9, growth=1.2, leading=1.2, margin=36, gutter=18, justify=True, indent=True,
    column_rule=True, paper="quarto",
)  # fmt: skip
FORM = Style(body="helvetica", head="helvetica", value="courier", size=10.5, growth=1.15, margin=50, paper="quarto")
LEDGER = Style(body="caladea", head="caladea", size=9.6, growth=1.0, leading=1.5, margin=34, paper="a5")
REGISTER = Style(body="caladea", head="caladea", size=11, growth=1.25, margin=44, paper="quarto", landscape=True)
LIST = Style(body="source-serif", head="source-serif", size=10.5, growth=1.2, margin=50, paper="quarto")
SHEET = Style(body="helvetica", head="helvetica", size=10, margin=54)
MAIL = Style(body="helvetica", head="helvetica", value="helvetica", size=10.5, leading=1.36, margin=66)

KEANE = "deposits/keane-family-papers.tar.gz"

DOCUMENTS = (
    Document("correspondence/1931-1938-breakwater.pdf", "breakwater", OLD_LETTER, "aged", turned={4: 180}),
    Document("council-minutes/1923-1926-harbour-committee.tif", "harbour_committee", TYPED, "microfilm"),
    Document("council-minutes/1953-flood-committee.pdf", "flood_committee", TYPED, "office", layers=("true",)),
    Document("accounts/tidewell-marine-invoices-2018.pdf", "tidewell", INVOICE, "office", turned={3: 90}),
    Document("accounts/sundry-invoices-2018.pdf", "sundry", BILL),
    Document("accounts/harbour-dues-ledger-1934.tif", "ledger", LEDGER, "microfilm"),
    Document("reports/1967-dredging-report.pdf", "dredging", OLD_REPORT, "worn"),
    Document("reports/2009-hospital-heating-study.pdf", "heating", REPORT),
    Document("reports/2014-seawall-survey.pdf", "seawall", REPORT, "clean", layers=("garbled", "strange")),
    Document("newspapers/mercury-1949-06-18-page-1.jpg", "mercury_front", NEWS, "camera"),
    Document("newspapers/mercury-1949-06-18-page-3.jpg", "mercury_inside", NEWS, "camera", exif=6),
    Document("forms/berth-applications-1974.pdf", "berths", FORM, "office", turned={2: 270}, shown_turned={4: 90}),
    Document("forms/accident-reports-1988.tif", "accidents", FORM, "fax"),
    Document("registers/lifeboat-service-1940-1948.pdf", "lifeboat", REGISTER, "aged", turned={1: 90, 2: 90, 3: 270}),
    Document("registers/museum-inventory-1996.pdf", "inventory", LIST, "clean"),
    Document("technical/harbour-crane-1971.png", "crane", SHEET, "clean"),
    Document("technical/storm-pump-2003.webp", "pump", SHEET, "office"),
    Document("technical/fog-signal-1958.jpg", "fog_signal", SHEET, "worn"),
    Document("hospital/matron-reports-1936.pdf", "matron", LETTER, "office"),
    Document("correspondence/2016-2017-marina-emails.pdf", "emails", MAIL),
    Document("reports/reading-room-guide-2019.pdf", "guide", REPORT),
    Document("memoir-of-agnes-keane.pdf", "memoir", TYPED, "worn", turned={2: 180}, container=KEANE),
    Document("receipt-1929.png", "receipt", LETTER, "fax", container=KEANE),
    Document("letter-from-lisbon-1933.webp", "lisbon", OLD_LETTER, "aged", container=KEANE),
)
