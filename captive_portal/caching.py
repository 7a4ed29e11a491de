# SPDX-License-Identifier: EUPL-1.2
"""Keeps the pages that are the same for everybody: in memory, in the front's cache, and in browsers by their ETag.

Such a page depends on its address, the content's version, the uplink and the time, and on nobody: it holds no form and
says nothing of who asks. A page with either is never kept.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Response, g, request

from captive_portal import counted, visit
from edge_core import uplink

if TYPE_CHECKING:
    from flask import Flask

_SAME_FOR_ALL = frozenset(
    {
        *("news.index", "news.one", "events.index", "events.one", "companies.index", "companies.answers"),
        *("companies.one", "plan.index", "plan.one", "route.page", "transport.index", "pages.one", "services.index"),
    }
)
_TIMELY = ("events.", "transport.", "companies.one", "services.")
_MINUTE, _HOUR = 60, 3600
_MOST_PAGES = 400
_MOST_BYTES = 16 << 20  # of all pages: whoever asks for the largest with made-up questions must not fill the memory
_LARGEST = 200_000  # bytes: a page that is larger is made anew
_LONGEST_ADDRESS = 300  # characters: longer ones are nobody's second question
_FRONT_SECONDS = "5"
_OK = 200


@dataclass
class _Shelf:
    """Pages by their tag, the least asked for dropped first; threads share it."""

    pages: OrderedDict[str, tuple[bytes, dict[str, str]]] = field(default_factory=OrderedDict)
    size: int = 0
    """Bytes of the pages."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, tag: str) -> tuple[bytes, dict[str, str]] | None:
        with self.lock:
            if tag in self.pages:
                self.pages.move_to_end(tag)
            return self.pages.get(tag)

    def put(self, tag: str, body: bytes, headers: dict[str, str]) -> None:
        with self.lock:
            self.size += len(body) - len(self.pages.get(tag, (b"",))[0])
            self.pages[tag] = (body, headers)
            while len(self.pages) > _MOST_PAGES or self.size > _MOST_BYTES:
                _, (dropped, _) = self.pages.popitem(last=False)
                self.size -= len(dropped)


class Caching:
    """What keeps the pages of one application: `keep` is installed first of all, `offer` last."""

    def __init__(self) -> None:
        self._shelf = _Shelf()

    def keep(self, app: Flask) -> None:
        """Put a page aside once it has its headers and is compressed: the function registered first runs last."""

        @app.after_request
        def put(response: Response) -> Response:
            tag = g.get("page_tag")
            if tag is None or response.status_code != _OK or g.get("page_kept"):
                return response
            response.headers["ETag"] = f'W/"{tag}"'
            # nginx before 1.23.3 keeps nothing whose Cache-Control says so ahead of X-Accel-Expires.
            del response.headers["Cache-Control"]
            response.headers["X-Accel-Expires"] = _FRONT_SECONDS
            response.headers["Cache-Control"] = "no-cache"
            if (response.content_length or 0) <= _LARGEST:
                self._shelf.put(tag, response.get_data(), dict(response.headers))
            return response

    def offer(self, app: Flask) -> None:
        """Answer with a page that is kept, or with the word that the browser's own is still right (RFC 9110, 13)."""

        @app.before_request
        def get() -> Response | None:
            if request.endpoint not in _SAME_FOR_ALL or request.method not in {"GET", "HEAD"}:
                return None
            if len(request.full_path) > _LONGEST_ADDRESS:
                return None
            g.page_tag = _tag()
            kept = self._shelf.get(g.page_tag)
            # Whether a search found something is known by its kept page alone: without it the page is made anew.
            if request.if_none_match.contains_weak(g.page_tag) and (kept or not request.args.get("q")):
                g.page_kept = True
                headers = {"ETag": f'W/"{g.page_tag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
                told = {counted.FOUND: kept[1][counted.FOUND]} if kept and counted.FOUND in kept[1] else {}
                return Response(status=304, headers=headers | told)
            if kept is None:
                return None
            g.page_kept = True
            return Response(kept[0], headers=kept[1])


def _tag() -> str:
    """Return what tells this page, as it is now, from any other."""
    house = visit.house()
    now = house.now()
    held = visit.held()
    known = uplink.read(house.settings.run_dir)
    step = _MINUTE if str(request.endpoint).startswith(_TIMELY) else _HOUR
    compressed = request.accept_encodings["gzip"] > 0
    parts = (request.full_path, held.version, held.applied_at, known and known.up, int(now // step), compressed)
    return hashlib.sha256(f"{_BUILD}{parts!r}".encode("utf-8", "surrogatepass")).hexdigest()[:20]


_BUILD = time.time_ns()  # a process that starts may run other code
