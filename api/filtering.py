"""The filter of a request, and which of the documents it names there are not: nothing of them can be found, and an
empty result by itself would say that there is nothing on their pages.
"""

from __future__ import annotations

from api import convert
from api.context import Context
from api.schemas_asking import FilterJSON
from index.types import SearchFilter


async def taken(context: Context, tenant: str, given: FilterJSON) -> tuple[SearchFilter, tuple[str, ...]]:
    """The filter, and the ids in it that are no document of this tenant: never were, are deleted, or are another's,
    which are all the same to who asks. `InvalidRequest` as `convert.search_filter`.
    """
    where = convert.search_filter(given)
    if not where.document_ids:
        return where, ()
    return where, await context.call(context.service.unknown, tenant, where.document_ids)
