"""A real HTTP server that receives webhooks and behaves as it is told; what sends them, over a clock that can be moved;
an archive whose ends are looked for.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

from tests.api_kit import wait_for
from tests.kit import TENANT, Archive
from worker.webhooks.desk import Webhooks
from worker.webhooks.outbox import Message
from worker.webhooks.sender import Sender, SenderConfig
from worker.webhooks.setup import WebhookParts
from worker.webhooks.targets import HostRules

# Long enough for a receiver on a machine that stops for a while.
FAST = SenderConfig(first_s=0.05, longest_s=0.2, timeout_s=60.0)


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict
    body: bytes
    at: float

    @property
    def message(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["webhook-id"]


def status(code, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def close(handler):
    """The connection ends without an answer."""
    handler.connection.close()


def endless_body(handler):
    """A good status, and then more than anybody wants to have."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(100_000):
            handler.wfile.write(b"x" * 65536)


def endless_head(handler):
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            handler.wfile.write(f"X-{number}: {'y' * 1000}\r\n".encode())


def dripping(handler):
    """A byte now and then: each for itself is in time."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 100:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.2)


def no_http(handler):
    handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n")


def interim(handler):
    """103 and 100 before the answer that counts."""
    handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    status(204)(handler)


class Receiver:
    """`with Receiver() as receiver`: `behave` is a list; each request takes the first one, the last one stays."""

    def __init__(self, *behave, tls=None, port=0):
        self.behave = list(behave) or [status(204)]
        self.got = []
        self.guard = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.guard:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    outer.got.append(Got(self.path, headers, body, time.monotonic()))
                    how = outer.behave.pop(0) if len(outer.behave) > 1 else outer.behave[0]
                self.close_connection = True
                how(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.host = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def messages(self):
        with self.guard:
            return [got.message for got in self.got]


def verified(secret, got):
    """The message, as the official library of Standard Webhooks verifies it."""
    return Webhook(secret).verify(got.body, got.headers)


URL = "https://hooks.example/"


class Telling:
    """An archive whose ends are looked for, with a clock that can be moved."""

    def __init__(self, root):
        self.archive = Archive(root)
        self.late = 0.0
        self.open()

    def open(self):
        """As after a start: what is known is in files."""
        self.parts = WebhookParts(
            self.archive.root / "webhooks", HostRules(["hooks.example"]), self.archive.catalog, self.archive.store
        )
        self.archive.library.webhooks = self.parts.desk
        self.desk = self.parts.desk
        self.ends = self.parts.ends(self.archive.library.document)
        clock = self.ends._clock
        self.ends._clock = lambda: clock() + self.late

    def look(self):
        """Looks, which may have to list anew; each may end for lack of time on a machine that stops for a while."""
        for _ in range(3):
            self.ends._listed_at.clear()
            self.ends.look()

    def told(self, tenant=TENANT):
        """What waits to be sent to any hook of the tenant, in the order of its making."""
        return [message for _, message in sorted(self.waiting(tenant))]

    def waiting(self, tenant=TENANT):
        for hook in self.desk.hooks.all(tenant):
            for path in self.desk.outbox.waiting(tenant, hook.hook_id):
                kept = json.loads(path.read_text())
                yield (path.stat().st_mtime_ns, kept["message_id"]), json.loads(kept["body"])

    def ids(self):
        return [key[1] for key, _ in sorted(self.waiting())]

    def clear(self):
        for hook in self.desk.hooks.all(TENANT):
            self.desk.outbox.drop_hook(TENANT, hook.hook_id)


class Sending:
    """A desk and a sender over one directory, with a clock that can be moved."""

    def __init__(self, root, *receivers, config=FAST):
        self.root = root
        self.late = 0.0
        self.rules = HostRules([receiver.host for receiver in receivers])
        self.config = config
        self.gone = set()
        self.desk = Webhooks(root, self.rules, config=config)
        self.open()

    def open(self):
        """As after a start: what is in files is all there is."""
        self.sender = Sender(
            self.desk.hooks,
            self.desk.outbox,
            self.rules,
            lambda _tenant, document_id: document_id not in self.gone,
            self.config,
            clock=self.clock,
        )

    def clock(self):
        return time.time() + self.late

    def put(self, hook, number=1, about="00000000-0000-4000-8000-000000000000"):
        now = self.clock()
        body = json.dumps({"type": "document.done", "timestamp": "2026-01-01T00:00:00Z", "data": {"number": number}})
        message = Message(f"msg_{number:032x}", hook.tenant, hook.hook_id, about, "document.done", body, now, now)
        assert self.desk.outbox.put(message)
        return message

    def send(self):
        """One look, and all that it began."""
        self.sender.look()
        wait_for(self.sender.idle, 90)

    def until(self, condition):
        def looked():
            self.send()
            return condition()

        wait_for(looked, 90)

    def view(self):
        (view,) = self.desk.list("default")
        return view
