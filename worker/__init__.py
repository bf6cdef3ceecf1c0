"""worker reads pages: engines, layout, jobs, queues and the wiring of it all."""

import index  # noqa: F401  before OpenVINO, as it says there
