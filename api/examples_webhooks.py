"""Examples of `/v1/webhooks` for the OpenAPI document. Tests validate each against its schema."""

from __future__ import annotations

from api.examples import DOCUMENT_ID

WEBHOOK_ID = "5d41402abc4b2a76b9719d911017c592"
_EVENTS = ["document.done", "document.partial", "document.failed"]

WEBHOOK_REQUEST = {"url": "https://hooks.example/folioscope", "events": _EVENTS}
WEBHOOK = {
    "id": WEBHOOK_ID,
    "url": "https://hooks.example/folioscope",
    "events": _EVENTS,
    "created_at": "2026-03-02T09:14:07Z",
    "disabled": None,
    "last_success_at": "2026-03-05T17:40:00Z",
    "rotating_until": None,
    "waiting": 1,
    "retrying": [
        {
            "message_id": "msg_89abcdef0123456789abcdef01234567",
            "type": "document.partial",
            "document_id": DOCUMENT_ID,
            "attempts": 3,
            "error": "no answer within 15 s",
            "created_at": "2026-03-05T17:41:10Z",
            "next_try_at": "2026-03-05T17:43:02Z",
        }
    ],
    "failed": [
        {
            "message_id": "msg_0123456789abcdef0123456789abcdef",
            "type": "document.done",
            "document_id": DOCUMENT_ID,
            "attempts": 11,
            "error": "it answered 500",
            "created_at": "2026-03-03T11:02:00Z",
        }
    ],
}
NEW_WEBHOOK = {
    **WEBHOOK,
    "last_success_at": None,
    "waiting": 0,
    "retrying": [],
    "failed": [],
    "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}
ROTATION_REQUEST = {"overlap_hours": 24}
ROTATED_WEBHOOK = {**WEBHOOK, "rotating_until": "2026-03-06T17:41:00Z", "secret": NEW_WEBHOOK["secret"]}
WEBHOOKS = {"items": [WEBHOOK]}
WEBHOOK_TEST = {"delivered": True, "status": 204, "detail": "it answered 204", "took_ms": 83.1}
