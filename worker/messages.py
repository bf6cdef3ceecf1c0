"""What travels through the broker: names of queues and tasks, and jobs as lists of ids.

Knows no broker. A message is a doorbell: it may be lost, doubled or late, and says nothing that is not in the index.
"""

from __future__ import annotations

from index.ids import page_id
from index.types import PageKey
from worker.queue import Expand, Job, Read

READ_GPU = "read.gpu"
READ_CPU = "read.cpu"
DECODE = "decode"
HOUSEKEEPING = "housekeeping"
QUEUES = (DECODE, HOUSEKEEPING, READ_GPU, READ_CPU)

EXPAND_TASK = "folioscope.expand"
READ_TASK = "folioscope.read"
DECODE_TASK = "folioscope.decode"

# Redis as a broker takes lower numbers first, of these steps. A waiting person comes first; then documents are opened
# and their first pages read, so that a letter does not wait for the book that came before it.
STEPS = (0, 3, 6, 9)
WAITING_PERSON = 0
_FIRST_PAGES = ((8, 3), (64, 6))


def priority(job: Job) -> int:
    """The step of a job."""
    if isinstance(job, Expand):
        return STEPS[1]
    return next((step for last, step in _FIRST_PAGES if job.key.page <= last), STEPS[-1])


def pack(job: Job) -> tuple[str, list[str | int]]:
    """Task name and arguments of a job."""
    match job:
        case Expand(tenant, document_id):
            return EXPAND_TASK, [tenant, document_id]
        case Read(key):
            return READ_TASK, [key.tenant, key.document_id, key.page]


def read_job(tenant: str, document_id: str, page: int) -> Read:
    return Read(PageKey(tenant, document_id, page))


def claim_name(job: Job) -> str:
    """What two processes with the same job contend for. Ids are unique across tenants."""
    return job.document_id if isinstance(job, Expand) else page_id(job.key.document_id, job.key.page)
