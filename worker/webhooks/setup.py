"""Webhooks as the settings want them: the parts put together over one data directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from index.catalog import Catalog
from index.store import Store
from worker.service import DocumentView
from worker.settings import Settings
from worker.webhooks.beginning import Beginning
from worker.webhooks.desk import Webhooks
from worker.webhooks.ends import Again, Ends
from worker.webhooks.runner import Runner
from worker.webhooks.sender import Sender, SenderConfig
from worker.webhooks.targets import HostRules


class WebhookParts:
    """`desk` is for the service; `runner`, made once the service can look at its documents, does the rest."""

    def __init__(
        self, directory: Path, rules: HostRules, catalog: Catalog, store: Store, config: SenderConfig | None = None
    ) -> None:
        self._directory = directory
        self._rules = rules
        self._catalog = catalog
        self._config = config
        self._beginning = Beginning(directory, catalog, store)
        self.desk = Webhooks(directory, rules, begin=self._beginning, again=Again(directory, catalog), config=config)

    def ends(self, look_at: Callable[[str, str], DocumentView]) -> Ends:
        hooks, outbox = self.desk.hooks, self.desk.outbox
        return Ends(self._directory, self._catalog, look_at, hooks, outbox, self._beginning)

    def sender(self) -> Sender:
        return Sender(self.desk.hooks, self.desk.outbox, self._rules, self._exists, self._config)

    def runner(self, look_at: Callable[[str, str], DocumentView]) -> Runner:
        return Runner(self._directory, self.ends(look_at), self.desk.outbox, self.sender())

    def _exists(self, tenant: str, document_id: str) -> bool:
        return self._catalog.get(tenant, document_id) is not None


def webhook_parts(settings: Settings, catalog: Catalog, store: Store) -> WebhookParts:
    """Webhooks over these settings. All that they know is in files: parts that are made twice are the same."""
    rules = HostRules(settings.webhook_hosts, settings.webhook_networks)
    return WebhookParts(settings.data_dir / "webhooks", rules, catalog, store)
