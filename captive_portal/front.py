# SPDX-License-Identifier: EUPL-1.2
"""Believes the front server about a guest's address, and only where the request came over the portal's unix socket.

That socket is a file which only the front's user may open; over TCP the peer speaks for itself, and what it claims in
headers is never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_CLAIM = "HTTP_X_PARVIS_PEER"


def behind(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application: over a unix socket (no peer address) the peer is the one that the front names."""

    def wrapped(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        claimed = environ.pop(_CLAIM, "")
        if not environ.get("REMOTE_ADDR"):
            environ["REMOTE_ADDR"] = claimed
        return application(environ, start)

    return wrapped
