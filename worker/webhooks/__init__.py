"""Webhooks: telling other programs that a document was read.

`targets` says where they may go, `hooks` keeps who wants them, `beginning` says from when on documents count, `ends`
finds documents that were read, `outbox` keeps what is to be sent, `post` sends one, `sender` sends all, `desk` is what
the service offers, `runner` makes one process of many do it.
"""
