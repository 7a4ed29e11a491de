# SPDX-License-Identifier: EUPL-1.2
"""Reads the head of a request and decides what becomes of it: handed to the portal, or turned away; pure.

A guest may send anything. What isn't a sound request of HTTP/1.0 or 1.1 (RFC 9112) for the portal itself is never
handed on, so that the portal's own server meets well-formed heads only.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

LONGEST_LINE = 4096
LONGEST_HEAD = 16 * 1024
LONGEST_BODY = 16 * 1024
"""Bytes that are read of a form before the portal is asked; it refuses longer ones itself, by their length."""
_MOST_FIELDS = 100

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,24}")
_LINE = re.compile(rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]{1,24}) (?P<target>[^\x00-\x20\x7f]+) HTTP/1\.[01]")
_FIELD = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_HANDED_ON = frozenset({b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"DELETE", b"PATCH"})
_OURS_TO_SAY = re.compile(
    rb"connection|keep-alive|te|trailer|upgrade|expect|host|proxy-.*|x-parvis-.*|x-forwarded-.*|forwarded|x-real-ip|.*_.*"
)


class Request(NamedTuple):
    """What was understood. `sound`: it may be handed on as `head`, with `length` bytes of body after `end`."""

    method: str = ""
    host: str | None = None
    path: str = ""
    query: bytes = b""
    sound: bool = False
    head: bytes = b""
    end: int = 0
    length: int = 0
    waits_for_go: bool = False


def read(data: bytes) -> Request | None:
    """Return the request that `data` begins with; None while more is needed to tell."""
    line, newline, _ = data.partition(b"\n")
    if len(line) > LONGEST_LINE or (data and not _may_begin(data)):
        return _salvage(line)
    if not newline:
        return None
    found = _LINE.fullmatch(line.rstrip(b"\r"))
    if found is None:
        return _salvage(line)
    end = _end_of_head(data)
    if end is None:
        return None if len(data) <= LONGEST_HEAD else _salvage(line)
    return _understand(found, data[len(line) + 1 : end], end) or _salvage(line)


def _may_begin(data: bytes) -> bool:
    """Tell whether the first bytes can still become a method and its space."""
    method = _METHOD.match(data)
    return method is not None and (method.end() == len(data) or data[method.end()] == 0x20)


def _end_of_head(data: bytes) -> int | None:
    ends = [place + len(mark) for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n") if (place := data.find(mark)) >= 0]
    return min(ends, default=None)


def _salvage(line: bytes) -> Request:
    """Return what can be known of a request that isn't one: nothing that would be led back to."""
    return Request(method=line[:24].split(b" ", 1)[0].decode("latin-1"))


def _understand(found: re.Match[bytes], rest: bytes, end: int) -> Request | None:
    """Return the request; None where its fields are malformed, or say two things."""
    fields = _fields(rest)
    if fields is None:
        return None
    hosts = [value for name, value in fields if name == b"host"]
    lengths = {value for name, value in fields if name == b"content-length"}
    if len(hosts) > 1 or len(lengths) > 1 or not all(_LENGTH.fullmatch(value) for value in lengths):
        return None
    place = _place(found["target"])
    if place is None:
        return Request(method=found["method"].decode(), host=(hosts or [b""])[0].decode("latin-1") or None)
    authority, path, query = place
    host = authority or (hosts[0] if hosts else b"")
    coded = any(name == b"transfer-encoding" for name, _ in fields)
    return Request(
        method=found["method"].decode(),
        host=host.decode("latin-1") or None,
        path=path.decode("latin-1"),
        query=query,
        sound=found["method"] in _HANDED_ON and bool(host) and not coded,
        head=_head(found["method"], path, query, host, fields),
        end=end,
        length=int(next(iter(lengths), b"0")),
        waits_for_go=any(name == b"expect" for name, _ in fields),
    )


def _fields(rest: bytes) -> list[tuple[bytes, bytes]] | None:
    fields: list[tuple[bytes, bytes]] = []
    for line in rest.split(b"\n"):
        if not line.rstrip(b"\r"):
            break
        found = _FIELD.fullmatch(line.rstrip(b"\r"))
        if found is None or len(fields) == _MOST_FIELDS:
            return None
        fields.append((found["name"].lower(), found["value"].rstrip(b" \t")))
    return fields


def _place(target: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return (authority or b"", path, query) of a request's target (RFC 9112, 3.2); None for "*" and CONNECT's."""
    authority = b""
    if target[:7].lower() == b"http://" or target[:8].lower() == b"https://":
        try:
            parts = urlsplit(target)
        except ValueError:
            return None
        authority, target = parts.netloc, (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    if not target.startswith(b"/"):
        return None
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return authority, path, query


def _head(method: bytes, path: bytes, query: bytes, host: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """Return the head as the portal gets it, without its end: what only the front may say is left out."""
    target = path + (b"?" + query if query else b"")
    kept = [b"%s: %s" % field for field in fields if not _OURS_TO_SAY.fullmatch(field[0])]
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), b"Host: " + host, *kept, b""])
