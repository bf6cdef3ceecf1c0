"""A process that writes to a store until it is killed, and says after each call what was acknowledged.

python tests/index_writer.py DIRECTORY SEED FIRST_DOCUMENT
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from index_kit import NOW, HashEmbedder, commit, labels

from index.store import PageUpdate
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, PageState


def main() -> None:
    directory, seed, document = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    random.seed(seed)
    embedder = HashEmbedder()
    store = EdgeStore.open(directory, embedder, StoreConfig(flush_every=40))
    print("open", flush=True)
    while True:
        name = f"doc-{document}"
        keys = [PageKey("t", name, page) for page in range(1, 5)]
        store.add_pending(keys, labels(), NOW)
        print("pending", name, flush=True)
        store.update([PageUpdate(key, NOW, attempts=1) for key in keys])
        print("attempt", name, flush=True)
        for key in keys:
            store.update(
                [commit(embedder, key, f"{name} page {key.page} " + "lorem ipsum dolor. " * random.randint(1, 80))]
            )
            print("done", name, key.page, flush=True)
        store.update([PageUpdate(keys[3], NOW, state=PageState.FAILED, error_code="damaged")])
        print("failed", name, flush=True)
        if random.random() < 0.3:
            store.delete("t", name)
            print("deleted", name, flush=True)
        if random.random() < 0.1:
            store.flush()
        document += 1


if __name__ == "__main__":
    main()
