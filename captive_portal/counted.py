# SPDX-License-Identifier: EUPL-1.2
"""Counts which pages of the content are read and what companies are searched for; of ten and more alone.

A page counts wherever it was answered from: made here, kept here, kept by the front (`front_told`), or still right in
the browser.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from flask import after_this_request, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from captive_portal import client, front_told
from edge_core import interest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from edge_core.settings import Settings

PAGES = {
    "companies.one": "companies", "events.one": "events", "news.one": "news", "plan.one": "plans",
    "services.one": "services", "pages.one": "pages",
}  # fmt: skip
FOUND = "X-Parvis-Found"
"""Header of an answer to a search: 1 where something was found, else 0. It stays with the page that is kept."""
_PLACE = "portal"
_GOOD = (200, 304)
_MOST_FIELDS = 20
_MINUTE = 60
_MOST_ADDRESSES = 1024
"""Addresses whose device isn't looked up again within the minute: the kernel is asked for each otherwise."""


class Counted:
    """What one portal counts; any thread may call."""

    def __init__(self, app: Flask, settings: Settings, now: Callable[[], float]) -> None:
        wanted = settings.presence
        self._seen = interest.Interest(_PLACE, min(wanted.window, 300), wanted.minimum, wanted.rounding)
        self._routes = app.url_map.bind("localhost")
        self._edge_db, self._now = settings.edge_db, now
        self._device = lru_cache(_MOST_ADDRESSES)(lambda address, _minute: client.identify(address, settings).key)

    def turn(self) -> None:
        """Write down what a window that has closed may tell; mostly nothing."""
        interest.record(self._seen, self._edge_db, self._now())

    def answered(self, endpoint: str, key: str, asked: str, who: str, *, found: bool) -> None:
        """Count an answer to `who`, an address: the page of a record, or what companies were searched for.

        Devices are counted, not addresses: of those a single one may have as many in IPv6 as there are askers needed.
        """
        if endpoint in PAGES and key:
            self._seen.read(PAGES[endpoint], key, self._asker(who))
        elif endpoint == "companies.index" and asked.strip():
            self._seen.searched(asked, self._asker(who), found=found)
        elif endpoint == "companies.answers":
            self._seen.typed(asked, self._asker(who), found=found)

    def _asker(self, address: str) -> str:
        return self._device(address, int(self._now() // _MINUTE))

    def told(self, address: str, who: str, *, found: bool) -> None:
        """Count an answer that the front gave from its memory; `address` as it was asked, with its question."""
        path, _, question = address.partition("?")
        try:
            endpoint, words = self._routes.match(unquote(path, errors="replace"), method="GET")
            asked = parse_qs(question, max_num_fields=_MOST_FIELDS).get("q", [""])[0]
        except (HTTPException, RequestRedirect, ValueError):
            return  # only what the portal answered is kept: an address that it doesn't know is nobody's page
        self.answered(str(endpoint), str(words.get("key") or ""), asked, who, found=found)


def install(app: Flask, settings: Settings, now: Callable[[], float]) -> None:
    """Count each page that was answered well."""
    counted = Counted(app, settings, now)

    @app.after_request
    def count(response: Response) -> Response:
        counted.turn()
        if response.status_code in _GOOD and request.method == "GET" and (who := request.remote_addr):
            key, asked = (request.view_args or {}).get("key") or "", request.args.get("q", "")
            counted.answered(request.endpoint or "", str(key), asked, who, found=response.headers.get(FOUND) != "0")
        return response

    if front_told.FILE in os.environ:
        front_told.listen(Path(os.environ[front_told.FILE]), counted)


def tell_found(*, found: bool) -> None:
    """Note on the answer to this request whether the search found anything."""

    @after_this_request
    def note(response: Response) -> Response:
        response.headers[FOUND] = str(int(found))
        return response
