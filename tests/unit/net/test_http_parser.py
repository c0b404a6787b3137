"""Replies put together from bytes, however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.net.http_parser import HttpReply, ReplyParser

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-MBX-USED-WEIGHT-1M: 7\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + PLAIN


def feed_in_pieces(raw: bytes, cuts: list[int]) -> tuple[HttpReply | None, ReplyParser]:
    parser = ReplyParser()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    reply = None
    for start, stop in itertools.pairwise(edges):
        if start < stop:
            assert reply is None
            reply = parser.feed(raw[start:stop])
    return reply, parser


@given(st.sampled_from([PLAIN, CHUNKED, INTERIM]), st.lists(st.integers(0, 400), max_size=12))
def test_any_cutting_of_the_bytes_gives_the_same_reply(raw: bytes, cuts: list[int]) -> None:
    reply, parser = feed_in_pieces(raw, cuts)
    assert reply is not None
    assert reply.status == 200
    assert reply.body == (b"hello0123456789" if raw is CHUNKED else b"hello")
    assert parser.keep_alive


def test_header_names_are_lower_case() -> None:
    reply, _ = feed_in_pieces(PLAIN, [])
    assert reply is not None
    assert reply.headers["x-mbx-used-weight-1m"] == "7"


def test_a_body_without_length_ends_with_the_stream() -> None:
    parser = ReplyParser()
    assert parser.feed(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>") is None
    reply = parser.end()
    assert reply is not None
    assert (reply.status, reply.body, parser.keep_alive) == (502, b"<html>", False)


def test_a_cut_reply_is_no_reply() -> None:
    parser = ReplyParser()
    assert parser.feed(PLAIN[:-1]) is None
    assert parser.end() is None


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (PLAIN + b"stray", False),
    ],
)
def test_whether_the_connection_may_be_used_again(head: bytes, keeps: bool) -> None:
    parser = ReplyParser()
    assert parser.feed(head) is not None
    assert parser.keep_alive is keeps


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_not_http_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError):
        ReplyParser().feed(raw)
