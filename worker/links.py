"""Archives and their members name each other: an archive's split lists its members, and each member has the archive as
one of its ways in. What a damaged file makes unreadable of the one can be told from the other.
"""

from __future__ import annotations

from index.catalog import Catalog
from index.types import Origin


def mend_links(catalog: Catalog, tenant: str, archive_id: str) -> list[str]:
    """Record anew what members of an archive cannot tell any more: that they lie in it. Their ids.

    Only what was recorded: a member that was deleted and sent in again by itself has nothing to do with the archive.
    """
    mended: dict[str, None] = {}
    split = catalog.split(tenant, archive_id)
    for path, member in split.members if split else ():
        origin = Origin(archive_id, path)
        entry = catalog.get(tenant, member)
        if entry is not None and origin not in entry.origins and catalog.mend(tenant, member, origin):
            mended[member] = None
    return list(mended)
