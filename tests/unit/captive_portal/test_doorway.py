# SPDX-License-Identifier: EUPL-1.2
"""What the front makes of the bytes that guests send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal import doorway

HOST = b"Host: portail.example.net\r\n"
SOUND = b"GET /fr/?a=b HTTP/1.1\r\n" + HOST + b"Accept: */*\r\n\r\n"


def test_a_sound_request_is_handed_on_as_it_was_meant():
    """Target, host and fields arrive; what only the front may say does not."""
    claims = b"X-Parvis-Peer: 10.0.0.1\r\nX-Forwarded-For: 1\r\nx_parvis_peer: 2\r\nConnection: keep-alive\r\n"
    request = doorway.read(SOUND[:-2] + claims + b"\r\n")
    assert request.sound
    assert (request.method, request.host, request.path, request.query) == ("GET", "portail.example.net", "/fr/", b"a=b")
    assert request.head == b"GET /fr/?a=b HTTP/1.1\r\nHost: portail.example.net\r\naccept: */*\r\n"


@pytest.mark.parametrize("cut", range(len(SOUND)))
def test_a_request_in_pieces_is_waited_for(cut):
    """Any beginning of a sound request needs more, and says nothing yet."""
    assert doorway.read(SOUND[:cut]) is None


@pytest.mark.parametrize(
    ("data", "host", "path"),
    [
        (b"GET http://site.example/a?b HTTP/1.1\r\nHost: other.example\r\n\r\n", "site.example", "/a"),
        (b"GET http://site.example HTTP/1.0\r\n\r\n", "site.example", "/"),
        (b"GET / HTTP/1.0\r\n\r\n", None, "/"),
        (b"GET / HTTP/1.1\nHost: site.example\n\n", "site.example", "/"),
    ],
)
def test_old_and_absolute_forms_are_understood(data, host, path):
    """HTTP/1.0 without a host, the proxies' form of a target, bare line ends."""
    request = doorway.read(data)
    assert (request.host, request.path) == (host, path)


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT portail.example.net:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
        b"GET /\r\n",
        b"\x16\x03\x01\x02",
        b"\0",
        b"\r\n",
        b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /" + b"a" * 4096,
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b" folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 17000,
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
def test_what_is_no_sound_request_is_never_handed_on(data):
    """Judged at once, without waiting for more, and not sound."""
    request = doorway.read(data)
    assert request is not None
    assert not request.sound


def test_a_form_says_where_it_begins_and_how_long_it_is():
    """The body is cut out by its length."""
    data = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\na=b"
    request = doorway.read(data)
    assert data[request.end : request.end + request.length] == b"a=b"
    assert request.waits_for_go
    assert b"expect" not in request.head


_pieces = st.sampled_from(
    [b"GET ", b"POST ", b"/", b"http://", b"a" * 50, b" HTTP/1.1", b"\r\n", b"\n", b"Host: x\r\n", b":", b" ", b"\0",
     b"\xff", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"[::", b"?", b"#", b"\t", b"%00"]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=300), st.lists(_pieces, max_size=30).map(b"".join)))
def test_no_bytes_break_the_door(data):
    """Whatever comes: wait, turn away, or a head that is well formed and ends where it says."""
    request = doorway.read(data)
    if request is not None and request.sound:
        lines = request.head.split(b"\r\n")
        assert lines.pop() == b""
        assert not any(b"\n" in line or b"\r" in line or b"\0" in line or not line for line in lines)
        assert lines[1].startswith(b"Host: ")
        assert sum(line.lower().startswith(b"host:") for line in lines) == 1
