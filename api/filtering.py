"""The filter of a request, and what it names that is not there: nothing of that can be found, and an empty result by
itself would say that there is nothing on its pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from api import convert
from api.context import Context
from api.filenames import folder_as_sent, folder_path
from api.schemas_asking import FilterJSON
from index.types import SearchFilter


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a filter names and the tenant does not have: it never was, is deleted, or is another's, which are all the
    same to who asks.
    """

    documents: tuple[str, ...] = ()
    folder: str | None = None

    def __bool__(self) -> bool:
        return bool(self.documents) or self.folder is not None


async def taken(context: Context, tenant: str, given: FilterJSON) -> tuple[SearchFilter, Unknown]:
    """The filter, and the documents in it that there are not. `InvalidRequest` as `convert.search_filter`."""
    where = convert.search_filter(given)
    where = replace(where, folder=await folder(context, tenant, given.folder))
    if not where.document_ids:
        return where, Unknown()
    return where, Unknown(await context.call(context.service.unknown, tenant, where.document_ids))


async def folder(context: Context, tenant: str, untrusted_folder: str | None) -> str | None:
    """A folder that is asked for, as it is kept. None: no folder, or the outermost. Paths of uploads are tidied
    (several spaces become one), those in archives are not: it is looked for as it was asked for, and then tidied.
    """
    asked = folder_path(untrusted_folder or "")
    as_sent = folder_as_sent(asked)
    if as_sent and as_sent != asked and not await _is_there(context, tenant, asked):
        return as_sent if await _is_there(context, tenant, as_sent) else asked
    return asked or None


async def with_folder(context: Context, tenant: str, where: SearchFilter, unknown: Unknown, *, seen: bool) -> Unknown:
    """The same with the filter's folder, where no document lies in it. To go through all documents takes its time (a
    sixth of a second for two hundred thousand): it is done only if no page of a folder was `seen`.
    """
    if seen or where.folder is None or await _is_there(context, tenant, where.folder):
        return unknown
    return replace(unknown, folder=where.folder)


async def _is_there(context: Context, tenant: str, path: str) -> bool:
    return await context.call(context.service.count_documents, tenant, folder=path) > 0
