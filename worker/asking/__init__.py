"""From a question to an answer, step by step: retrieve, select, answer; and what was asked before."""
