"""Fake upstreams and real clients for the tests that go through a whole ccproxy process.

meaning   what an upstream wants to say, and what a client understood, in words of no protocol
wires     a Meaning as each protocol's bytes, written by hand from the providers' documentation, without ccproxy's code
operations   what is no chat: vectors, counts, generated text
server    a small HTTP server that answers with wires; the model's name picks the Meaning
clients   the official SDKs, one driver per protocol: a scenario in, what the SDK understood out
"""
