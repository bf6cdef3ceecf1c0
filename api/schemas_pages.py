"""The JSON of pages: what is read, decoded again, located and exported."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from api.schemas import BoxJSON, Model, SpanJSON


class WordJSON(Model):
    span: SpanJSON
    box: BoxJSON


class RegionJSON(Model):
    kind: str
    box: BoxJSON
    span: SpanJSON


class ReaderJSON(Model):
    engine: str
    revision: str
    mode: str


class NoteJSON(Model):
    """What the decoder said of the page under another prompt than that of reading. It is no part of `text`."""

    prompt: str
    text: str
    trust: float


class VisionJSON(Model):
    """The vision tokens that are stored for a page, and what made them."""

    engine: str
    revision: str
    mode: str
    tile_grid: Annotated[list[int], Field(min_length=2, max_length=2)]  # columns, rows; [0, 0] without tiles
    page_size: Annotated[list[int], Field(min_length=2, max_length=2)]  # pixels of the upright page
    tokens: int | None = None  # how many; None for an engine that is not known here


class PageJSON(Model):
    document_id: str
    page: int
    pages: int  # of the document
    filename: str
    state: Literal["pending", "done", "failed"]
    error_code: str | None = None
    text: str  # Markdown
    regions: list[RegionJSON]
    words: list[WordJSON] = Field(default=[])  # with ?words=true
    width: int
    height: int
    rotation: int
    trust: float
    marks: list[Literal["cut_off", "loop"]] = Field(default=[])  # what went wrong while it was read
    reader: ReaderJSON | None = None
    vision: VisionJSON | None = None  # with it, the page can be decoded under other prompts
    decoded: bool = True  # false: a question that needs the page has it decoded; until then `text` is empty or a draft
    draft: bool = False  # `text` is a quick reading by another engine, for search to find the page by
    notes: list[NoteJSON] = Field(default=[])
    image_url: str


class DecodeRequestJSON(Model):
    """One of the model's tasks, or a prompt of your own."""

    task: Literal["markdown", "ocr", "text", "figure", "describe"] = "markdown"
    prompt: str | None = Field(default=None, min_length=1, max_length=2000)

    @model_validator(mode="after")
    def _one_of_them(self) -> DecodeRequestJSON:
        if self.prompt is not None and "task" in self.model_fields_set:
            raise ValueError("give a task or a prompt, not both")
        return self


class DecodedJSON(Model):
    document_id: str
    page: int
    task: Literal["markdown", "ocr", "text", "figure", "describe", "free"]
    prompt: str  # the words that the model got
    text: str  # without tags
    regions: list[RegionJSON]
    trust: float
    finish: Literal["end", "length", "loop"]  # by itself, at the limit of tokens, or because it repeated itself
    tokens: int
    took_ms: float


class LocateRequestJSON(Model):
    phrase: str = Field(min_length=1, max_length=2000)


class LocatedJSON(Model):
    document_id: str
    page: int
    phrase: str
    boxes: list[BoxJSON]
    trust: float
    finish: Literal["end", "length", "loop"]
    took_ms: float


class PageRowJSON(Model):
    """A page as `/v1/export` gives it: a line of JSON, or a row of Parquet."""

    document_id: str
    page: int
    filename: str
    paths: list[str]  # in each archive it came from
    media_type: str
    created_at: datetime
    text: str
    regions: list[RegionJSON]
    words: list[WordJSON] | None = None  # where they were asked for
    width: int
    height: int
    rotation: int
    trust: float
    marks: list[str]
    engine: str | None
    revision: str | None
    mode: str | None
    updated_at: datetime | None
