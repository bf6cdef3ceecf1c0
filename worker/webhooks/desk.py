"""What the service offers of webhooks: registered, listed, tried out, deleted; and told what concerns them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from worker.webhooks.hooks import DEFAULT_OVERLAP, EVENTS, TEST_EVENT, Hook, Hooks
from worker.webhooks.outbox import Message, Outbox
from worker.webhooks.post import Outcome
from worker.webhooks.sender import SenderConfig, deliver
from worker.webhooks.targets import HostRules

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class HookView:
    """A hook with what became of its messages. `failed`: given up, newest first. `retrying`: those of the `waiting`
    ones that were not taken the last time, the next to be tried first. Of both 20 at most.
    """

    hook: Hook
    waiting: int
    failed: tuple[Message, ...]
    last_success: datetime | None
    retrying: tuple[Message, ...] = ()


class Webhooks:
    """Of one data directory. Thread-safe; any number of processes may have one. `begin`: adds a
    hook, and lets documents count from then on; `again`: notes that a document is read again.
    """

    def __init__(
        self,
        directory: Path,
        rules: HostRules,
        *,
        begin: Callable[[str, Callable[[], Hook]], Hook] = lambda _tenant, add: add(),
        again: Callable[[str, str], None] = lambda _tenant, _document_id: None,
        config: SenderConfig | None = None,
    ) -> None:
        self.hooks = Hooks(directory)
        self.outbox = Outbox(directory)
        self._rules = rules
        self._begin = begin
        self._config = config or SenderConfig()
        self.again = again

    def register(self, tenant: str, url: str, events: Sequence[str] = EVENTS) -> Hook:
        """A new hook, with its secret. `InvalidRequest` (`webhook_not_allowed`), `Conflict` (`too_many_webhooks`)."""
        self._rules.target(url)
        return self._begin(tenant, lambda: self.hooks.add(tenant, url, events, datetime.now(UTC)))

    def rotate(self, tenant: str, hook_id: str, overlap: timedelta = DEFAULT_OVERLAP) -> HookView:
        """The hook with a new secret; the former one signs beside it for `overlap`. `NotFound`, `InvalidRequest`."""
        return self._view(self.hooks.rotate(tenant, hook_id, overlap, datetime.now(UTC)))

    def list(self, tenant: str) -> list[HookView]:
        """All hooks of a tenant, oldest first."""
        return [self._view(hook) for hook in self.hooks.all(tenant)]

    def delete(self, tenant: str, hook_id: str) -> None:
        """With all that waits for it. `NotFound`."""
        self.hooks.delete(tenant, hook_id)
        self.outbox.drop_hook(tenant, hook_id)

    def test(self, tenant: str, hook_id: str) -> tuple[Outcome, float]:
        """Send a message that says nothing, now and once; what came of it, and in how many seconds. A hook that takes
        it is not disabled any more. `NotFound`.
        """
        hook = self.hooks.get(tenant, hook_id)
        now = time.time()
        body = {"type": TEST_EVENT, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": {}}
        message = Message(f"msg_{secrets.token_hex(16)}", tenant, hook_id, "-", TEST_EVENT, json.dumps(body), now, now)
        began = time.perf_counter()
        outcome = deliver(self._rules, hook, message, timeout_s=self._config.timeout_s)
        if outcome.taken:
            self.hooks.succeeded(hook, now)
        return outcome, time.perf_counter() - began

    def forget(self, tenant: str, document_id: str) -> None:
        """A document is deleted: nobody is told of it any more."""
        self.outbox.drop_about(tenant, document_id)

    def _view(self, hook: Hook) -> HookView:
        waiting = self.outbox.waiting(hook.tenant, hook.hook_id)
        failed = tuple(self.outbox.failed(hook.tenant, hook.hook_id)[:_SHOWN])
        retrying = tuple(self.outbox.retrying(hook.tenant, hook.hook_id, waiting, _SHOWN))
        return HookView(hook, len(waiting), failed, self.hooks.last_success(hook), retrying)
