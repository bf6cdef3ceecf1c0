"""Training of small models of DeepSeek-OCR's architecture: pages, losses, curriculum, evaluation.

Run as `python -m worker.train`; the service imports nothing from here. What it writes are weights in the original
layout, which `worker.engine.deepseek.load` loads like any other checkpoint.
"""
