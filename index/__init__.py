"""index remembers: catalog, blobs, Qdrant, search and text embedding."""
