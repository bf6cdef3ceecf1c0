"""The sample archive: a fictional harbour town's papers, drawn, scanned and zipped by seed."""
