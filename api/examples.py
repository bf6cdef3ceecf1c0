"""Examples of the OpenAPI document. Tests validate each against its schema."""

from __future__ import annotations

DOCUMENT_ID = "0b8f7e56-3c1d-5a86-9a39-2f6d3c0f7a11"
ARCHIVE_ID = "5f0f4a0e-8c5b-5d55-8d0e-6a5f5f3f9b42"

UPLOAD_FORM = {"file": "(the file's bytes)", "path": "council/1931/minutes-1931.pdf", "text_layer": "auto"}

_IMAGE = f"/v1/documents/{DOCUMENT_ID}/pages/2/image"
_COUNTS = {"pending": 0, "done": 3, "failed": 1, "total": 4}

DOCUMENT = {
    "id": DOCUMENT_ID,
    "filename": "minutes-1931.pdf",
    "media_type": "application/pdf",
    "size": 2481152,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-03-02T09:14:07Z",
    "text_layer": "auto",
    "state": "partial",
    "kind": "document",
    "pages": _COUNTS,
    "failure": None,
    "page_failures": [{"document_id": DOCUMENT_ID, "page": 4, "code": "render_timeout", "attempts": 3}],
    "origins": [{"archive_id": ARCHIVE_ID, "path": "council/minutes-1931.pdf"}],
    "members": [],
    "member_failures": [],
}

ACCEPTED = {
    **DOCUMENT,
    "state": "accepted",
    "pages": {"pending": 0, "done": 0, "failed": 0, "total": 0},
    "page_failures": [],
    "origins": [],
}

_OF_ONE = {"page_failures", "members", "member_failures"}
DOCUMENTS = {
    "items": [{name: value for name, value in DOCUMENT.items() if name not in _OF_ONE}],
    "total": 1,
    "next_cursor": None,
    "unknown_folder": None,
}

PAGE = {
    "document_id": DOCUMENT_ID,
    "page": 2,
    "pages": 4,
    "filename": "minutes-1931.pdf",
    "state": "done",
    "error_code": None,
    "text": "# Minutes\n\nThe bridge fund stands at 412 pounds.",
    "regions": [
        {"kind": "title", "box": [0.1, 0.08, 0.42, 0.11], "span": [0, 9]},
        {"kind": "paragraph", "box": [0.1, 0.14, 0.86, 0.17], "span": [11, 48]},
    ],
    "words": [{"span": [2, 9], "box": [0.1, 0.08, 0.42, 0.11]}],
    "width": 1654,
    "height": 2339,
    "rotation": 0,
    "trust": 0.97,
    "marks": [],
    "reader": {"engine": "deepseek-ocr", "revision": "0123456789abcdef0123456789abcdef01234567", "mode": "base"},
    "vision": {
        "engine": "deepseek-ocr",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "mode": "base",
        "tile_grid": [0, 0],
        "page_size": [1654, 2339],
        "tokens": 256,
    },
    "decoded": True,
    "notes": [],
    "image_url": _IMAGE,
}

DECODE_REQUEST = {"task": "figure"}
PROMPT_REQUEST = {"prompt": "List the names on this page."}
DECODED = {
    "document_id": DOCUMENT_ID,
    "page": 2,
    "task": "figure",
    "prompt": "Parse the figure.",
    "text": "| Year | Dues |\n| --- | --- |\n| 1874 | 12 |",
    "regions": [],
    "trust": 0.94,
    "finish": "end",
    "tokens": 31,
    "took_ms": 412.5,
}
LOCATE_REQUEST = {"phrase": "bridge fund"}
LOCATED = {
    "document_id": DOCUMENT_ID,
    "page": 2,
    "phrase": "bridge fund",
    "boxes": [[0.14, 0.14, 0.25, 0.17]],
    "trust": 0.97,
    "finish": "end",
    "took_ms": 180.2,
}

PAGE_ROW = {
    "document_id": DOCUMENT_ID,
    "page": 2,
    "filename": "minutes-1931.pdf",
    "paths": ["council/minutes-1931.pdf"],
    "media_type": "application/pdf",
    "created_at": "2026-03-02T09:14:07Z",
    "text": PAGE["text"],
    "regions": PAGE["regions"],
    "width": 1654,
    "height": 2339,
    "rotation": 0,
    "trust": 0.97,
    "marks": [],
    "engine": "rapidocr",
    "revision": "PP-OCRv6",
    "mode": "ocr",
    "updated_at": "2026-03-02T09:15:41Z",
}

HIT = {
    "document_id": DOCUMENT_ID,
    "page": 2,
    "filename": "minutes-1931.pdf",
    "media_type": "application/pdf",
    "paths": ["papers.zip/council/minutes-1931.pdf"],
    "score": 0.83,
    "trust": 0.97,
    "width": 1654,
    "height": 2339,
    "snippets": [
        {
            "text": "The bridge fund stands at 412 pounds.",
            "span": [11, 48],
            "highlights": [[4, 10], [11, 15]],
            "boxes": [[0.14, 0.14, 0.2, 0.17], [0.21, 0.14, 0.25, 0.17]],
            "score": 0.83,
        }
    ],
    "image_url": _IMAGE,
}

SEARCH_REQUEST = {"query": "bridge fund", "filter": {"folder": "council"}, "limit": 5}
PHRASE_REQUEST = {"query": '"bridge fund" INV-2024-0117', "group_by_document": True}
SEARCH = {"query": "bridge fund", "hits": [HIT], "groups": None, "total_pages": 3, "took_ms": 18.4}

ANSWER_REQUEST = {"question": "How much money is in the bridge fund?"}
ANSWER = {
    "question": "How much money is in the bridge fund?",
    "found": True,
    "text": "The bridge fund stands at 412 pounds. [1]",
    "citations": [
        {
            "number": 1,
            "document_id": DOCUMENT_ID,
            "page": 2,
            "filename": "minutes-1931.pdf",
            "quote": "The bridge fund stands at 412 pounds.",
            "span": [11, 48],
            "boxes": [[0.1, 0.14, 0.86, 0.17]],
            "score": 0.91,
            "image_url": _IMAGE,
            "verified": True,
            "note": None,
        }
    ],
    "confidence": 0.94,
    "weak_support": False,
    "considered": [
        {"document_id": DOCUMENT_ID, "page": 2, "score": 1.31, "selected": True, "reason": "the best match"}
    ],
    "took_ms": 64.0,
    "timings_ms": {"retrieve": 41.0, "select": 1.2, "decode": 4210.0, "answer": 21.8, "total": 4274.0},
    "conversation_id": None,
    "decoded": [
        {
            "document_id": DOCUMENT_ID,
            "page": 2,
            "prompt": "markdown",
            "reason": "it is not decoded yet, and page 1 of the same document matches",
            "took_ms": 4180.0,
            "ok": True,
            "code": None,
        }
    ],
    "incomplete": True,
    "missing": [
        {
            "document_id": DOCUMENT_ID,
            "page": 3,
            "code": "decode_timeout",
            "reason": "No worker decoded the page within 60 s: all are busy. Try again in a moment.",
        }
    ],
    "undecoded_pages": 2,
    "answerer": "extractive",
    "note": None,
}
CONVERSATION_REQUEST = {
    "question": "And the year before?",
    "conversation_id": "2f0d3c0f7a114b7e8c5b5d558d0e6a5f",
    "stream": True,
}

MODELS = {
    "object": "list",
    "data": [{"id": "folioscope", "object": "model", "created": 1767225600, "owned_by": "folioscope"}],
}
CHAT_REQUEST = {
    "model": "folioscope",
    "messages": [{"role": "user", "content": "How much money is in the bridge fund?"}],
}
CHAT = {
    "id": "chatcmpl-7d1c0e5b9f8a4c0d8b3e2a1f6c5d4e3b",
    "object": "chat.completion",
    "created": 1772442847,
    "model": "folioscope",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "The bridge fund stands at 412 pounds. [1]\n\n[1] minutes-1931.pdf, page 2: …",
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 22, "total_tokens": 31},
    "folioscope": ANSWER,
}

RECEIPT = {
    "document_id": DOCUMENT_ID,
    "filename": "minutes-1931.pdf",
    "sha256": DOCUMENT["sha256"],
    "deleted_at": "2026-03-05T17:40:00Z",
    "pages_deleted": 4,
    "documents_deleted": 1,
    "blobs_deleted": 1,
    "remaining": {"points": 0, "manifests": 0, "blobs": 0, "archives": 0},
}

SESSION = {
    "tenant": "council",
    "scopes": ["read", "write"],
    "name": "reading room",
    "key_expires_at": None,
    "session_expires_at": "2026-03-05T17:55:00Z",
}

LIVE = {"status": "ok"}
READY = {
    "ready": True,
    "version": "0.1.0",
    "engine": "rapidocr@PP-OCRv6",
    "embedder": "sentence-transformers/all-MiniLM-L6-v2@53aa5117",
    "checks": {"index": "qdrant-edge", "queue": "in-process, 2 readers"},
}

EVENTS = (
    f'id: 1\nevent: progress\ndata: {{"document_id":"{DOCUMENT_ID}","state":"reading",'
    '"pages":{"pending":2,"done":2,"failed":0,"total":4}}\n\n'
    f'id: 2\nevent: end\ndata: {{"document_id":"{DOCUMENT_ID}","state":"done",'
    '"pages":{"pending":0,"done":4,"failed":0,"total":4}}\n\n'
)

ANSWER_EVENTS = (
    f'event: decoding\ndata: {{"document_id": "{DOCUMENT_ID}", "page": 2, "prompt": "markdown", '
    '"reason": "it is not decoded yet", "state": "done", "took_ms": 4180.0}\n\n'
    'event: text\ndata: {"text": "The bridge fund stands at 412 pounds. [1]"}\n\n'
    'event: done\ndata: {"found": true, "text": "The bridge fund stands at 412 pounds. [1]"}\n\n'
)
CHAT_EVENTS = (
    'data: {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "The bridge fund"}}]}\n\n'
    "data: [DONE]\n\n"
)

METRICS = (
    '# HELP folioscope_pages Pages by state.\n# TYPE folioscope_pages gauge\nfolioscope_pages{state="done"} 60.0\n'
)
