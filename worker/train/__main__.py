"""python -m worker.train run FOLDER: train a small model, or go on with what FOLDER holds."""

from __future__ import annotations

from worker.train.command import main

main()
