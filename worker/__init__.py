"""worker reads pages: engines, layout, jobs, queues and the wiring of it all."""
