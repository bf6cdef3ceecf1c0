"""ingest turns an uploaded file into page images and text layers, in a sandbox."""
