# SPDX-License-Identifier: EUPL-1.2
"""Lets few threads of the portal work at once; those that wait for somebody else stand aside.

Python runs one thread at a time, and sixteen that want to run wake one another all the while: a crowd that searches
took twice the processor. There are as many because some wait: for the agent, a provider, a mail server, the disk.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_AT_ONCE = 2
_places = threading.BoundedSemaphore(_AT_ONCE)
_own = threading.local()


def taking(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application: a request is worked on when one of the places is free."""

    def wrapped(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with _places:
            _own.place = True
            try:
                return application(environ, start)
            finally:
                _own.place = False

    return wrapped


@contextmanager
def aside() -> Iterator[None]:
    """Leave this thread's place to others while it waits; where it has none, do nothing."""
    if not getattr(_own, "place", False):
        yield
        return
    _own.place = False
    _places.release()
    try:
        yield
    finally:
        _places.acquire()
        _own.place = True
