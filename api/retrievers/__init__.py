"""Folioscope as a retriever for other people's pipelines: LangChain, LlamaIndex, Haystack.

Each module needs its library (extras `langchain`, `llamaindex`, `haystack`) and a running service; none of them imports
anything else of Folioscope but `api.retrievers.pages`.
"""
