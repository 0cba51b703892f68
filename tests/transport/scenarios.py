"""Network scenarios for every runtime, over real loopback sockets.

    @scenario(head_seconds=0.2)          # Limits, where the defaults would take too long
    def some_name(net: Net) -> None: ...

A scenario is a function of a `Net`. A runtime's test module starts a server, makes the Net and runs the whole list.
"""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ccproxy.errors import UpstreamError
from ccproxy.transport.serving import House
from tests.transport.harness import (
    BODY_LIMIT,
    CHUNKED,
    OK,
    PATIENCE,
    SMALL_BUFFER,
    Conn,
    Listener,
    Net,
    certified,
    chunks,
    get,
    piped,
    post,
    serve_one,
    streamed,
)

Scenario = Callable[[Net], None]
SCENARIOS: list[tuple[Scenario, dict[str, Any]]] = []


def scenario(**limits: float) -> Callable[[Scenario], Scenario]:
    def register(function: Scenario) -> Scenario:
        SCENARIOS.append((function, {"tick_seconds": 0.02, **limits}))
        return function

    return register


# ---------------------------------------------------------------------------------------------------------------------
# Requests and answers


@scenario()
def whole_exchange(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post("/v1/x?beta=true"))
    there = net.accept(upstream)
    request = serve_one(there)
    assert (request.method, request.target, request.body) == ("POST", "/v1/x?beta=true", b"hello")
    assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
    answer = client.answer()
    assert (answer.status, answer.body) == (200, b"ok")
    assert net.app.records.get(timeout=PATIENCE) == "ended"


@scenario()
def both_connections_are_kept(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    for number in range(3):
        if number:
            client.send(post())
        serve_one(there)
        assert client.answer().body == b"ok"


@scenario()
def pipelined_requests_are_answered_in_order(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post("/1") + get("/no") + post("/2") + get("/no"))
    there = net.accept(upstream)
    assert serve_one(there, streamed(b"one")).target == "/1"
    assert serve_one(there, streamed(b"two")).target == "/2"
    assert [client.answer().body for _ in range(4)] == [b"one", b"no", b"two", b"no"]


@scenario()
def much_pipelining_is_held_in_bounds(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post("/first"))
    there = net.accept(upstream)
    there.request()
    sending = threading.Thread(target=client.send, args=[get("/no") * 4000], daemon=True)
    sending.start()
    net.until(lambda house: any(not c.reading for c in house.connections))
    there.send(OK)
    assert client.answer().body == b"ok"
    for _ in range(4000):
        assert client.answer().body == b"no"
    sending.join(PATIENCE)


@scenario()
def a_stream_is_relayed_at_every_cut(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    stream = CHUNKED + chunks(b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n")
    there.send(*[stream[i : i + 1] for i in range(len(stream))])
    answer = client.answer()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body.startswith(b"data: one\n\ndata: two\n\ndata: [DONE]")


@scenario()
def http_1_0_is_answered_until_close(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(get(version="1.0"))
    serve_one(net.accept(upstream), streamed(b"streamed"))
    head, _, body = client.to_end().partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"streamed"


@scenario()
def connection_close_is_honoured(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(get("/x", "connection: close"))
    serve_one(net.accept(upstream))
    assert client.answer().headers["connection"] == "close"
    client.assert_closed()


@scenario()
def head_gets_no_body(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(get("/no", method="HEAD") + get("/x", method="HEAD") + get("/no"))
    refused = client.answer("HEAD")
    assert (refused.status, refused.headers["content-length"], refused.body) == (403, "2", b"")
    there = net.accept(upstream)
    assert there.until(b"\r\n\r\n").startswith(b"HEAD /x HTTP/1.1\r\n")
    there.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert client.answer("HEAD").status == 200
    assert client.answer().body == b"no"


@scenario()
def expectation_is_met_after_the_head_is_judged(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(get("/x", "content-length: 5", "expect: 100-continue", method="POST"))
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    assert serve_one(net.accept(upstream)).body == b"hello"
    assert client.answer().status == 200


@scenario()
def expectation_is_not_met_by_a_refusal(net: Net) -> None:
    client = net.client(get("/no", "content-length: 5", "expect: 100-continue", method="POST"))
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (403, "close")
    client.assert_closed()


@scenario()
def a_short_body_is_skipped_after_a_refusal(net: Net) -> None:
    client = net.client(post("/no", b"x" * 1000)[:-500])
    assert client.answer().status == 403
    client.send(b"x" * 500, get("/no"))
    assert client.answer().status == 403


@scenario()
def a_long_body_does_not_take_the_refusal_along(net: Net) -> None:
    client = net.client(post("/no", b"x" * 4_000_000))
    answer = client.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (403, b"no", "close")
    client.assert_closed()


@scenario()
def bodies_over_the_limit(net: Net) -> None:
    big = b"x" * (BODY_LIMIT + 1)
    stated = post("/x", big)
    chunked = get("/x", "transfer-encoding: chunked", method="POST") + chunks(big[:50_000], big[50_000:])
    packed = gzip.compress(big)
    coded = get("/x", "content-encoding: gzip", f"content-length: {len(packed)}", method="POST") + packed
    for request in (stated, chunked, coded):
        answer = net.client(request).answer()
        assert (answer.status, answer.headers["x-error"]) == (413, "TooLarge")


@scenario()
def coded_bodies_are_decoded(net: Net) -> None:
    upstream = net.upstream()
    packed = gzip.compress(b"some words " * 100)
    head = get("/x", "content-encoding: gzip", "transfer-encoding: chunked", method="POST")
    client = net.client(head, *[chunks(packed[i : i + 7], end=False) for i in range(0, len(packed), 7)], chunks())
    assert serve_one(net.accept(upstream)).body == b"some words " * 100
    assert client.answer().status == 200
    unknown = net.client(get("/x", "content-encoding: tar", "content-length: 1", method="POST") + b"x").answer()
    assert unknown.status == 415


@scenario()
def what_is_no_request_is_refused(net: Net) -> None:
    for bad, status in [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000, 414),
        (b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, 431),
    ]:
        client = net.client(bad)
        answer = client.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        client.assert_closed()


@scenario()
def a_body_that_breaks_its_framing(net: Net) -> None:
    client = net.client(get("/x", "transfer-encoding: chunked", method="POST") + b"zz\r\n")
    assert client.answer().status == 400
    client.assert_closed()


@scenario(head_seconds=0.1)
def slow_heads_are_cut_off(net: Net) -> None:
    client = net.client(b"GET /x HTTP/1.1\r\n", b"x-slow: ")
    assert client.answer().status == 408
    client.assert_closed()
    silent = net.client()
    silent.assert_closed()


@scenario(idle_seconds=0.1)
def idle_connections_are_closed(net: Net) -> None:
    client = net.client(get("/no"))
    assert client.answer().status == 403
    client.assert_closed()


@scenario(body_seconds=0.1)
def slow_bodies_are_cut_off(net: Net) -> None:
    client = net.client(post()[:-1])
    assert client.answer().status == 408
    client.assert_closed()


@scenario(max_connections=2)
def too_many_clients(net: Net) -> None:
    kept = [net.client(get("/no")) for _ in range(2)]
    assert [client.answer().status for client in kept] == [403, 403]
    turned_away = net.client()
    assert turned_away.answer().status == 503
    turned_away.assert_closed()
    kept[0].send(get("/no"))
    assert kept[0].answer().status == 403


# ---------------------------------------------------------------------------------------------------------------------
# Clients that leave


def assert_gone(net: Net, upstream: Conn) -> None:
    net.app.next("gone")
    assert net.app.records.get(timeout=PATIENCE) == "gone"
    upstream.assert_closed()
    net.until(lambda house: not house.connections and not house.upstreams.connections)


@scenario()
def client_gone_while_connecting(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://127.0.0.1:{proxy.port}")
    client = net.client(post())
    waiting = net.accept(proxy)
    waiting.until(b"\r\n\r\n")
    client.close()
    assert_gone(net, waiting)


@scenario()
def client_gone_before_the_head(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    client.close()
    assert_gone(net, there)


@scenario()
def client_gone_in_mid_stream(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    there.send(CHUNKED + chunks(b"some", end=False))
    client.until(b"some")
    client.reset()
    assert_gone(net, there)


@scenario()
def client_gone_in_mid_body(net: Net) -> None:
    client = net.client(post()[:-1])
    net.until(lambda house: any("read_body" in repr(c) for c in house.connections))
    client.close()
    net.app.next("gone")
    net.until(lambda house: not house.connections)


# ---------------------------------------------------------------------------------------------------------------------
# Slow clients


@scenario()
def a_slow_client_pauses_its_upstream(net: Net) -> None:
    piece, count = b"x" * 65_536, 256
    buffered: list[int] = []

    def stalled(house: House) -> bool:
        buffered.extend(c.wire.get_write_buffer_size() for c in house.connections)
        return any(c.stalled is not None for c in house.connections)

    net.app.watch = lambda: stalled(net.running.house)
    upstream = net.upstream()
    client = net.client(post(), receive_buffer=SMALL_BUFFER)
    there = net.accept(upstream)
    there.request()
    stream = CHUNKED + chunks(*[piece] * count)
    sending = threading.Thread(target=there.send, args=[stream], daemon=True)
    sending.start()
    net.until(stalled)
    answer = client.answer()
    sending.join(PATIENCE)
    assert answer.body == piece * count
    assert 0 < max(buffered) < 1_000_000


@scenario(stall_seconds=0.2)
def a_client_that_takes_nothing_is_cut_off(net: Net) -> None:
    upstream = net.upstream()
    net.client(post(), receive_buffer=SMALL_BUFFER)
    there = net.accept(upstream)
    there.request()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        there.send(CHUNKED, *[chunks(b"x" * 65_536, end=False)] * 1000)
    net.app.next("gone")
    net.until(lambda house: not house.connections)


# ---------------------------------------------------------------------------------------------------------------------
# Upstream connections


def exchange(net: Net, upstream: Conn, answer: bytes = OK) -> None:
    client = net.client(post())
    serve_one(upstream, answer)
    assert client.answer().status == 200


def first_exchange(net: Net, answer: bytes = OK) -> tuple[Listener, Conn]:
    """The upstream and its connection after one whole exchange."""
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    serve_one(there, answer)
    assert client.answer().status == 200
    return upstream, there


@scenario()
def a_stale_connection_is_replaced(net: Net) -> None:
    upstream, there = first_exchange(net)
    client = net.client(post("/again"))
    there.request()
    there.close()
    fresh = net.accept(upstream)
    request = serve_one(fresh)
    assert (request.target, request.body) == ("/again", b"hello")
    assert client.answer().status == 200
    exchange(net, fresh)


@scenario()
def a_new_connection_that_closes_is_a_failure(net: Net) -> None:
    upstream, there = first_exchange(net)
    client = net.client(post())
    there.request()
    there.reset()
    fresh = net.accept(upstream)
    fresh.request()
    fresh.close()
    answer = client.answer()
    assert (answer.status, answer.headers["x-error"]) == (502, "Broken")
    assert f"127.0.0.1:{upstream.port}".encode() in answer.body


@scenario()
def a_connection_closed_in_the_pool_is_forgotten(net: Net) -> None:
    upstream, there = first_exchange(net)
    net.until(lambda house: house.upstreams.idle == 1)
    there.close()
    net.until(lambda house: house.upstreams.idle == 0)
    client = net.client(post())
    serve_one(net.accept(upstream))
    assert client.answer().status == 200


@scenario()
def bytes_out_of_turn_close_the_connection(net: Net) -> None:
    _, there = first_exchange(net)
    net.until(lambda house: house.upstreams.idle == 1)
    there.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
    net.until(lambda house: not house.upstreams.connections)
    there.assert_closed()


@scenario()
def bytes_behind_the_answer_close_the_connection(net: Net) -> None:
    first_exchange(net, OK + b"HTTP/1.1 200 OK\r\n")
    net.until(lambda house: not house.upstreams.connections)


@scenario()
def an_answer_that_says_close_is_not_kept(net: Net) -> None:
    first_exchange(net, OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    net.until(lambda house: not house.upstreams.connections)


@scenario(keep_upstream_seconds=0.1)
def old_connections_are_closed(net: Net) -> None:
    _, there = first_exchange(net)
    there.assert_closed()


@scenario()
def the_end_of_a_released_stream_is_awaited(net: Net) -> None:
    _, there = first_exchange(net, CHUNKED + chunks(b"[DONE]", end=False))
    net.until(lambda house: house.upstreams.idle == 0)
    there.send(chunks(b"late") + b"")
    net.until(lambda house: house.upstreams.idle == 1)
    exchange(net, there)


@scenario()
def a_released_stream_that_goes_on_is_closed(net: Net) -> None:
    _, there = first_exchange(net, CHUNKED + chunks(b"[DONE]", end=False))
    there.assert_closed()


@scenario()
def a_released_stream_that_gushes_is_closed(net: Net) -> None:
    _, there = first_exchange(net, CHUNKED + chunks(b"[DONE]", end=False))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        there.send(*[chunks(b"x" * 65_536, end=False)] * 100)
    net.until(lambda house: not house.upstreams.connections)


@scenario()
def an_answer_before_the_whole_request(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post("/x", b"x" * BODY_LIMIT))
    there = net.accept(upstream)
    there.until(b"\r\n\r\n")
    there.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
    assert client.answer().status == 413


@scenario()
def refused_connections_are_told(net: Net) -> None:
    upstream = net.upstream()
    upstream.sock.close()
    answer = net.client(post()).answer()
    assert (answer.status, answer.headers["x-error"]) == (502, "Unreachable")
    assert answer.body == f"no connection to 127.0.0.1:{upstream.port}: connection refused".encode()


@scenario()
def failures_before_the_commit_are_answers(net: Net) -> None:
    upstream = net.upstream()
    for sent, kind in [
        (b"", "Broken"),
        (b"HTTP/1.1 200 O", "Broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "Broken"),
        (b"SSH-2.0-OpenSSH\r\n", "Malformed"),
        (CHUNKED + b"zz\r\n", "Malformed"),
    ]:
        for leave in (Conn.close, Conn.reset):
            client = net.client(post())
            there = net.accept(upstream)
            there.request()
            there.send(sent)
            if sent:
                net.until(lambda house: not any(e.silent for e in errands(house)))
            leave(there)
            answer = client.answer()
            assert (answer.status, answer.headers["x-error"]) == (502, kind)


def errands(house: House) -> Iterator[Any]:
    return (c.errand for c in house.upstreams.connections if c.errand is not None)


@scenario()
def failures_in_mid_stream_are_told(net: Net) -> None:
    upstream = net.upstream()
    until_close = b"HTTP/1.1 200 OK\r\n\r\n"
    for head, data, leave in [
        (CHUNKED, chunks(b"some", end=False), Conn.close),
        (CHUNKED, chunks(b"some", end=False), Conn.reset),
        (until_close, b"some", Conn.reset),
    ]:
        client = net.client(post())
        there = net.accept(upstream)
        there.request()
        there.send(head + data)
        client.until(b"some")
        leave(there)
        assert isinstance(net.app.next("failed"), UpstreamError)
        assert net.app.records.get(timeout=PATIENCE) == "failed"


@scenario()
def the_end_of_a_connection_can_be_the_end_of_an_answer(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    there.send(b"HTTP/1.1 200 OK\r\n\r\nsome ")
    client.until(b"some ")
    there.send(b"more")
    there.close()
    assert client.until(b"0\r\n\r\n").endswith(b"more\r\n0\r\n\r\n")
    assert net.app.records.get(timeout=PATIENCE) == "ended"


@scenario()
def coded_answers_are_decoded(net: Net) -> None:
    packed = gzip.compress(b"data: some words\n\n")
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    there.send(head + chunks(*[packed[i : i + 1] for i in range(len(packed))]))
    answer = client.answer()
    assert "content-encoding" not in answer.headers
    assert answer.body == b"data: some words\n\n"


@scenario()
def interim_answers_are_skipped(net: Net) -> None:
    first_exchange(net, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK)


# ---------------------------------------------------------------------------------------------------------------------
# TLS and proxies


def whole_way(net: Net, there: Conn) -> None:
    assert serve_one(there).body == b"hello"
    net.until(lambda house: house.upstreams.idle == 1)


@scenario()
def tls_upstream(net: Net) -> None:
    upstream = net.upstream(scheme="https")
    client = net.client(post())
    there = net.accept(upstream, certified())
    assert isinstance(there.sock, ssl.SSLSocket)
    assert there.sock.selected_alpn_protocol() == "http/1.1"
    whole_way(net, there)
    assert client.answer().status == 200
    exchange(net, there)


@scenario()
def a_name_with_several_addresses(net: Net) -> None:
    upstream = net.upstream(host="localhost")
    client = net.client(post())
    assert serve_one(net.accept(upstream)).headers["host"] == f"localhost:{upstream.port}"
    assert client.answer().status == 200


@scenario()
def a_name_that_does_not_exist(net: Net) -> None:
    for host in ("no-such-host.invalid", "a" * 70 + ".example"):
        net.upstream(host=host)
        answer = net.client(post()).answer()
        assert (answer.status, answer.headers["x-error"]) == (502, "Unreachable")
        assert host.encode() in answer.body


@scenario()
def connections_are_kept_warm(net: Net) -> None:
    upstream = net.upstream()
    net.app.warm.append((net.app.endpoint, 2))
    both = [net.accept(upstream), net.accept(upstream)]
    net.until(lambda house: house.upstreams.idle == 2)
    client = net.client(post())
    asked = next(conn for conn in both if conn.sock in select.select([conn.sock for conn in both], [], [], PATIENCE)[0])
    serve_one(asked)
    assert client.answer().status == 200
    net.until(lambda house: house.upstreams.idle == len(house.upstreams.connections) >= 2)


@scenario()
def tls_upstream_with_another_name(net: Net) -> None:
    upstream = net.upstream(scheme="https")
    client = net.client(post())
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        net.accept(upstream, certified("elsewhere.example"))
    answer = client.answer()
    assert (answer.status, answer.headers["x-error"]) == (502, "Unreachable")
    assert b"certificate" in answer.body


@scenario()
def through_an_http_proxy(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://me:secret@127.0.0.1:{proxy.port}", host="far.example", port=80)
    client = net.client(post())
    there = net.accept(proxy)
    assert there.until(b"\r\n\r\n").startswith(b"CONNECT far.example:80 HTTP/1.1\r\n")
    there.send(b"HTTP/1.1 200 OK\r\n\r\n")
    whole_way(net, there)
    assert client.answer().status == 200
    exchange(net, there)


@scenario()
def through_an_http_proxy_with_tls(net: Net) -> None:
    proxy = net.listener()
    net.upstream(scheme="https", proxy=f"http://127.0.0.1:{proxy.port}", port=443)
    client = net.client(post())
    there = net.accept(proxy)
    there.until(b"\r\n\r\n")
    there.send(b"HTTP/1.1 200 OK\r\n\r\n")
    inner = Conn(certified().wrap_socket(there.sock, server_side=True))
    whole_way(net, inner)
    assert client.answer().status == 200
    exchange(net, inner)
    inner.close()


@scenario()
def through_an_https_proxy_with_tls(net: Net) -> None:
    """TLS in TLS: the proxy carries what it cannot read."""
    proxy = net.listener()
    upstream = net.upstream(scheme="https", proxy=f"https://127.0.0.1:{proxy.port}")
    client = net.client(post())
    outer = net.accept(proxy, certified())
    outer.until(b"\r\n\r\n")
    outer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    onward = socket.create_connection(("127.0.0.1", upstream.port))
    piped(outer.sock, onward)
    there = net.accept(upstream, certified())
    whole_way(net, there)
    assert client.answer().status == 200
    exchange(net, there)
    onward.close()


@scenario()
def through_a_socks_proxy(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"socks5://127.0.0.1:{proxy.port}", host="far.example", port=80)
    client = net.client(post())
    there = net.accept(proxy)
    assert there.receive() == b"\x05\x01\x00"
    there.send(b"\x05\x00")
    assert there.receive() == b"\x05\x01\x00\x03\x0bfar.example\x00\x50"
    there.send(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    whole_way(net, there)
    assert client.answer().status == 200


@scenario()
def a_proxy_that_refuses(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://me:secret@127.0.0.1:{proxy.port}")
    client = net.client(post())
    there = net.accept(proxy)
    there.until(b"\r\n\r\n")
    there.send(b"HTTP/1.1 407 Who?\r\ncontent-length: 0\r\n\r\n")
    answer = client.answer()
    assert (answer.status, answer.headers["x-error"]) == (502, "Unreachable")
    assert b"407" in answer.body
    assert b"secret" not in answer.body
    there.assert_closed()


@scenario()
def a_proxy_that_hangs_up(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://127.0.0.1:{proxy.port}")
    client = net.client(post())
    there = net.accept(proxy)
    there.until(b"\r\n\r\n")
    there.close()
    assert client.answer().headers["x-error"] == "Unreachable"


@scenario(connect_seconds=0.1)
def connecting_takes_too_long(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://127.0.0.1:{proxy.port}")
    answer = net.client(post()).answer()
    assert answer.headers["x-error"] == "Unreachable"
    assert b"within 0.1 s" in answer.body
    net.accept(proxy).to_end()


# ---------------------------------------------------------------------------------------------------------------------
# Bugs, and the end


@scenario()
def bugs_before_the_commit_are_answered(net: Net) -> None:
    client = net.client(get("/bug/head"))
    assert (client.answer().status, client.held) == (500, b"")
    client.send(post("/bug/body"))
    assert client.answer().status == 500
    client.send(get("/no"))
    assert client.answer().status == 403


@scenario()
def bugs_after_the_commit_cut_the_answer(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post("/bug/pump"))
    there = net.accept(upstream)
    there.request()
    there.send(CHUNKED + chunks(b"some", end=False))
    client.until(b"some")
    there.send(chunks(b"more"))
    assert b"0\r\n\r\n" not in client.to_end()
    there.assert_closed()
    assert net.client(get("/no")).answer().status == 403


@scenario()
def a_graceful_stop_lets_answers_end(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    idle = net.client(get("/no"))
    assert idle.answer().status == 403
    there = net.accept(upstream)
    there.request()
    there.send(CHUNKED + chunks(b"some", end=False))
    client.until(b"some")
    stopped = net.running.stop(PATIENCE)
    idle.assert_closed()
    assert not stopped.is_set()
    there.send(chunks(b"more"))
    assert client.to_end().endswith(b"more\r\n0\r\n\r\n")
    assert stopped.wait(PATIENCE)


@scenario()
def a_stop_without_grace_cuts_answers(net: Net) -> None:
    upstream = net.upstream()
    client = net.client(post())
    there = net.accept(upstream)
    there.request()
    there.send(CHUNKED + chunks(b"some", end=False))
    client.until(b"some")
    assert net.running.stop(0).wait(PATIENCE)
    assert net.app.records.get(timeout=PATIENCE) == "gone"
    there.assert_closed()


@scenario()
def a_stop_while_connecting(net: Net) -> None:
    proxy = net.listener()
    net.upstream(proxy=f"http://127.0.0.1:{proxy.port}")
    net.client(post())
    there = net.accept(proxy)
    there.until(b"\r\n\r\n")
    assert net.running.stop(0).wait(PATIENCE)
    there.assert_closed()
    assert net.app.jobs_run.get(timeout=PATIENCE) == "ran"
