"""Examples of `api.routes_admin` for the OpenAPI document. Tests validate each against its schema."""

from __future__ import annotations

from api.examples import DOCUMENT_ID

OVERVIEW = {
    "version": "0.1.0",
    "stack": True,
    "engine": "rapidocr@PP-OCRv6",
    "embedder": "sentence-transformers/all-MiniLM-L6-v2@53aa5117",
    "checks": {"index": "qdrant", "queue": "celery on redis"},
    "documents": 212,
    "uploaded": 31,
    "unopened": 1,
    "pages": {"pending": 14, "done": 3120, "failed": 2, "total": 3136},
    "queues": [{"name": "decode", "waiting": 0}, {"name": "read.cpu", "waiting": 11}],
    "workers": [
        {
            "name": "reader-1",
            "queues": ["housekeeping", "read.cpu"],
            "engine": "rapidocr@PP-OCRv6",
            "jobs": 2,
            "oldest_s": 3.4,
            "done": 812,
            "seen_s": 0.9,
            "memory_bytes": 1210384384,
        }
    ],
    "problem": None,
    "failures": {
        "codes": [{"code": "render_timeout", "pages": 2}],
        "pages": [
            {
                "document_id": DOCUMENT_ID,
                "filename": "minutes-1931.pdf",
                "page": 4,
                "code": "render_timeout",
                "attempts": 3,
                "failed_at": "2026-03-02T09:15:40Z",
                "paths": ["council.zip/1931/minutes-1931.pdf"],
            }
        ],
        "more_pages": 0,
        "documents": [],
        "more_documents": 0,
    },
    "disk": {"total": 512110190592, "free": 201326592000, "reserved": 1073741824},
}

READ_AGAIN = {"document_id": DOCUMENT_ID, "pages": 2, "documents": 0, "lifted": 0}
READ_FAILED_AGAIN = {"pages": 200, "documents": 0, "lifted": 0, "next_cursor": "1772442847.25_pages"}
READ_PAGE_AGAIN = {"document_id": DOCUMENT_ID, "pages": 1, "documents": 0, "lifted": 0}
