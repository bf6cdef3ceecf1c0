"""Sends what waits: once at once, then ever more seldom for a day, each hook in a lane of its own.

A message that fails is tried again after `first_s`, then `factor` times as long each time up to `longest_s`, all with
jitter, until it is `give_up_s` old; then it is given up. A hook that took nothing since before that message is
disabled: whoever it was for has been away for all that time. So is at once one that answers 410 Gone, as Standard
Webhooks says. Redirects are failures.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from index.errors import FolioscopeError, NotFound
from worker.webhooks import outbox as boxes
from worker.webhooks.hooks import Hook, Hooks, signature
from worker.webhooks.outbox import Message, Outbox
from worker.webhooks.post import Outcome, post
from worker.webhooks.targets import HostRules

log = logging.getLogger("folioscope.webhooks")

_AGENT = "Folioscope-Webhooks"
_LANES = 8
"""Hooks that are sent to at once."""
_UNWRITTEN_S = 60.0


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """In seconds. With these a message has 11 attempts over a day or so: 5 s, 15 s, 45 s, … 3 h, 6 h, 6 h, 6 h."""

    first_s: float = 5.0
    factor: float = 3.0
    longest_s: float = 6 * 3600.0
    jitter: float = 0.2
    give_up_s: float = 24 * 3600.0
    timeout_s: float = 15.0

    def pause(self, attempts: int) -> float:
        """After so many failed attempts."""
        plain = min(self.longest_s, self.first_s * self.factor ** min(attempts - 1, 50))
        return plain * random.uniform(1 - self.jitter, 1 + self.jitter)


def deliver(rules: HostRules, hook: Hook, message: Message, *, timeout_s: float) -> Outcome:
    """One attempt. What keeps it from being made is an outcome too."""
    body = message.body.encode()
    timestamp = int(time.time())
    now = datetime.fromtimestamp(timestamp, UTC)
    signatures = [signature(one, message.message_id, timestamp, body) for one in hook.secrets(now)]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
        "webhook-id": message.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    try:
        # Looked at again each time: the setting and what the name stands for may have changed since.
        target = rules.target(hook.url)
        addresses = rules.addresses(target)
    except FolioscopeError as error:
        return Outcome(None, error.message)
    except OSError as error:
        return Outcome(None, f"its name is not found: {error.strerror or type(error).__name__}")
    return post(target, addresses, body, headers, timeout_s=timeout_s)


class Sender:
    """`exists` says whether a document is still there. One process at a time may have one that is looking."""

    def __init__(
        self,
        hooks: Hooks,
        outbox: Outbox,
        rules: HostRules,
        exists: Callable[[str, str], bool],
        config: SenderConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hooks = hooks
        self._outbox = outbox
        self._rules = rules
        self._exists = exists
        self._config = config or SenderConfig()
        self._clock = clock
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        self._due: dict[Path, float] = {}  # as it stands in the files, so that they need not be read each time
        self._crowded = 1000  # so many, and those whose file is gone are dropped
        self._stop = threading.Event()
        self._lanes = threading.Semaphore(_LANES)

    def look(self) -> int:
        """Begin to send what is due; to how many hooks."""
        begun = 0
        for tenant, hook_id in self._outbox.hooks():
            with self._guard:
                if hook_id in self._busy or self._stop.is_set():
                    continue
            due = self._due_of(tenant, hook_id)
            if due:
                with self._guard:
                    if self._stop.is_set():
                        break
                    self._busy.add(hook_id)
                # No thread that the end of the process would wait for: hosts may take their time.
                threading.Thread(target=self._serve, args=(tenant, hook_id, due), name="webhook", daemon=True).start()
                begun += 1
        return begun

    def idle(self) -> bool:
        """Whether nothing is being sent."""
        with self._guard:
            return not self._busy

    def stop(self) -> None:
        """Begin nothing more. What is under way is not waited for: it is sent again at the next start."""
        with self._guard:
            self._stop.set()

    def _due_of(self, tenant: str, hook_id: str) -> list[Path]:
        now = self._clock()
        # What is due later than any pause lasts was written before the clock was set back.
        furthest = now + self._config.longest_s * (1 + self._config.jitter) + _UNWRITTEN_S
        due = []
        waiting = self._outbox.waiting(tenant, hook_id)
        for path in waiting:
            at = self._due.get(path)
            if at is None:
                message = boxes.load(path)
                at = self._due[path] = message.next_at if message is not None else float("inf")
            if at <= now or furthest < at < float("inf"):
                due.append(path)
        if len(self._due) > self._crowded:
            for path in list(self._due):  # lanes change it meanwhile
                if not path.exists():
                    self._due.pop(path, None)
            self._crowded = 1000 + 2 * len(self._due)
        return due

    def _serve(self, tenant: str, hook_id: str, due: list[Path]) -> None:
        try:
            with self._lanes:
                for path in due:
                    if self._stop.is_set() or not self._one(tenant, hook_id, path):
                        return  # what else is due waits for the next look: a hook that is down is not hurried
        except NotFound:
            self._outbox.drop_hook(tenant, hook_id)
        except Exception:
            log.exception("sending to webhook %s failed; it goes on", hook_id)
        finally:
            with self._guard:
                self._busy.discard(hook_id)

    def _one(self, tenant: str, hook_id: str, path: Path) -> bool:
        """Send one message; whether the next one may follow at once. `NotFound` when the hook is gone."""
        hook = self._hooks.get(tenant, hook_id)
        message = boxes.load(path)
        if message is None:
            return True
        message = replace(message, created_at=min(message.created_at, self._clock()))  # which may be set back
        if not self._exists(tenant, message.about):
            self._outbox.done(message)
            return True
        if hook.disabled is not None:
            self._outbox.give_up(message, hook.disabled)
            return True
        # Noted before the attempt: where its end cannot be written (a full disk), the next one is not at once.
        self._due[path] = self._clock() + _UNWRITTEN_S
        outcome = deliver(self._rules, hook, message, timeout_s=self._config.timeout_s)
        if outcome.taken:
            log.info("webhook %s took %s (%s)", hook_id, message.message_id, message.kind)
            self._outbox.done(message)
            self._hooks.succeeded(hook, self._clock())
            return True
        self._failed(hook, message, outcome)
        self._due.pop(path, None)
        return False

    def _failed(self, hook: Hook, message: Message, outcome: Outcome) -> None:
        reason = explain(outcome)
        now = self._clock()
        next_at = now + self._config.pause(message.attempts + 1)
        ends = outcome.status == HTTPStatus.GONE or next_at - message.created_at > self._config.give_up_s
        then = "it is given up" if ends else f"it is tried again in {next_at - now:.0f} s"
        log.warning(
            "webhook %s of tenant %s did not take %s at attempt %d: %s; %s",
            *(hook.hook_id, hook.tenant, message.message_id, message.attempts + 1, reason, then),
        )
        if outcome.status == HTTPStatus.GONE:
            self._outbox.give_up(message, reason)
            self._hooks.disable(hook, "it answered 410 Gone", datetime.now(UTC))
        elif ends:
            self._outbox.give_up(message, reason)
            last = self._hooks.last_success(hook)
            if last is None or last.timestamp() < message.created_at:
                hours = (now - message.created_at) / 3600
                self._hooks.disable(hook, f"nothing was taken for {hours:.0f} hours: {reason}", datetime.now(UTC))
        else:
            self._outbox.retry(message, next_at=next_at, error=reason)


def explain(outcome: Outcome) -> str:
    """An outcome in words, for people."""
    if outcome.status is None:
        return outcome.reason
    if 300 <= outcome.status < 400:
        return f"it answered {outcome.status}, and redirects are not followed"
    return f"it answered {outcome.status}"
