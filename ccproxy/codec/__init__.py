"""Bytes to records and back. Nothing here knows what an LLM is.

Every reader has the same three members:

    feed(data: bytes) -> list[bytes]    the payloads of the records that are complete now
    eof() -> list[bytes]                what a clean end of the input completes
    pending: int                        bytes at the end of the input that belong to no complete record yet

Any cut of the input into feeds gives the same payloads; no byte is scanned twice; a record over `limit` bytes raises
`errors.Malformed`, the only error that leaves this package. `pending` lets a caller pass the complete records on as the
bytes they came in.
"""
