"""Media types as requests name them: in full, in any case, or by the short name that files of the type go by."""

from __future__ import annotations

from collections.abc import Iterable

from index.errors import InvalidRequest
from ingest.sniff import ARCHIVES, DOCUMENTS, GZIP, JPEG, SUPPORTED, TAR, TIFF, ZIP

_SHORT = {kind.rpartition("/")[2]: kind for kind in DOCUMENTS}
_NAMES = _SHORT | {"jpg": JPEG, "tif": TIFF, "zip": ZIP, "tar": TAR, "gz": GZIP, "tgz": GZIP}


def media_types(untrusted_types: Iterable[str]) -> tuple[str, ...]:
    """The types of documents that a filter leaves. `InvalidRequest` for one that there is not, and where no page could
    be of any of them: archives have none of their own.
    """
    given = [kind.strip().lower() for kind in untrusted_types]
    types = tuple(dict.fromkeys(_NAMES.get(kind, kind) for kind in given))
    if unknown := [kind for kind in types if kind not in SUPPORTED]:
        raise InvalidRequest(
            f"media_types: no document is of the type {unknown[0][:100]!r}; the types are {', '.join(DOCUMENTS)}, "
            f"or short {', '.join(_SHORT)}."
        )
    if types and all(kind in ARCHIVES for kind in types):
        raise InvalidRequest(
            "media_types: archives have no pages of their own, and what lies in one is of its own type. To search in "
            "an archive, name it in document_ids, or as folder."
        )
    return types
