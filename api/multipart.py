"""Takes a `multipart/form-data` upload apart while it arrives, without keeping the file.

Knows the fields of an upload and their order-independence, nothing of HTTP or storage. Bytes of the file are handed
to a callback as they come. Raises `RequestError` (`bad_request`) for a body that is not well formed and
`InvalidRequest` for fields that make no sense.
"""

from __future__ import annotations

from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.filenames import from_multipart
from index.errors import InvalidRequest, RequestError

MAX_FIELD_BYTES = 4096
FILE_FIELD = "file"
TEXT_FIELDS = frozenset({"password", "text_layer", "path"})


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise RequestError("The Content-Type multipart/form-data lacks its boundary.")
    return boundary


class UploadForm:
    """Feed it chunks with `write`, then call `finish`; `filename` and `fields` are known then."""

    def __init__(self, boundary: bytes, on_file_data: Callable[[memoryview], None]) -> None:
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self._on_file_data = on_file_data
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._part: str | None = None
        self._value = bytearray()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value_data,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise RequestError(f"The multipart boundary is not valid: {error}.") from None

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise RequestError("The multipart body is malformed.") from None

    def finish(self) -> None:
        if not self._ended:
            raise RequestError("The multipart body ends before its closing boundary.")
        if self.filename is None:
            raise InvalidRequest("There is no field `file` in the form. With curl: -F file=@scan.pdf")

    def _part_begin(self) -> None:
        self._headers = {}
        self._header_name = self._header_value = b""
        self._value = bytearray()
        self._part = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"").decode("latin-1")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise RequestError("A part of the multipart body has no form-data name.")
        name = options[b"name"].decode("utf-8", "replace")
        if name == FILE_FIELD:
            if self.filename is not None:
                raise InvalidRequest("There are two files in the form. Send each with a request of its own.")
            self.filename = from_multipart(options.get(b"filename", b""))
        elif name not in TEXT_FIELDS:
            fields = "file, path, password and text_layer"
            raise InvalidRequest(f"There is no field {name[:100]!r}; the fields are {fields}.")
        elif name in self.fields:
            raise InvalidRequest(f"The field {name} is there twice.")
        self._part = name

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == FILE_FIELD:
            self._on_file_data(memoryview(data)[start:end])
            return
        if len(self._value) + end - start > MAX_FIELD_BYTES:
            raise InvalidRequest(f"The field {self._part} is over {MAX_FIELD_BYTES} bytes.")
        self._value += data[start:end]

    def _part_end(self) -> None:
        if self._part is not None and self._part != FILE_FIELD:
            try:
                self.fields[self._part] = self._value.decode("utf-8")
            except UnicodeDecodeError:
                raise InvalidRequest(f"The field {self._part} is not UTF-8.") from None

    def _end(self) -> None:
        self._ended = True
