# SPDX-License-Identifier: EUPL-1.2
"""What every view asks for: the settings, the content, edge.db, the time, and who is here with which grant."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import current_app, g, request

from captive_portal import client as clients
from captive_portal.limits import Limits
from captive_portal.seal import VOUCHERS
from edge_core import logs, uplink
from edge_core.errors import StoreError
from edge_core.store import database, grants
from edge_core.store.together import Together

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from captive_portal.client import Client
    from captive_portal.provider import Provider
    from captive_portal.seal import Seal
    from edge_core.i18n import Language
    from edge_core.settings import Settings
    from edge_core.store.grants import Grant
    from edge_core.store.replica import ContentState, Record, Replica

_log = logs.get(__name__)
KEY = "parvis"


@dataclass(frozen=True)
class House:
    """What the application holds for all requests. `now` is the clock."""

    settings: Settings
    replica: Replica
    seal: Seal
    languages: dict[str, Language]
    now: Callable[[], float]
    provider: Provider | None = None
    limits: Limits = field(default_factory=Limits)
    together: Together = field(default_factory=Together)
    _local: threading.local = field(default_factory=threading.local)

    @property
    def voucher_key(self) -> bytes:
        """The key under which codes are hashed."""
        return self.seal.derive(VOUCHERS)

    def edge(self) -> sqlite3.Connection:
        """Return this thread's connection to edge.db. Raises StoreError where there is none yet."""
        if getattr(self._local, "edge", None) is None:
            self._local.edge = database.open_edge(self.settings.edge_db)
        return cast("sqlite3.Connection", self._local.edge)


@dataclass(frozen=True)
class Visit:
    """Who asks, and the grant that the device has now."""

    client: Client
    grant: Grant | None

    @property
    def online(self) -> bool:
        """Whether the device has a grant that holds; the minutes of signing in are none."""
        return self.grant is not None and self.grant.plan != grants.PRE_GRANT


def house() -> House:
    """Return the application's House."""
    return cast("House", current_app.extensions[KEY])


def park() -> Record:
    """Return the park's own record, {} while there is no content; read once for a request."""
    if "park" not in g:
        g.park = house().replica.park()
    return cast("Record", g.park)


def held() -> ContentState:
    """Return the version of the content that is held, and how fresh it is; read once for a request."""
    if "held" not in g:
        g.held = house().replica.state()
    return cast("ContentState", g.held)


def cut_since() -> float | None:
    """Return since when the uplink is cut (epoch seconds); None where it isn't, or nobody knows."""
    known = uplink.read(house().settings.run_dir)
    return None if known is None or known.up else known.since


def current() -> Visit:
    """Return the visit of this request. Without a store it has no grant: pages are read all the same."""
    if "visit" not in g:
        client = clients.identify(request.remote_addr, house().settings)
        g.visit = Visit(client, _grant(client))
    return cast("Visit", g.visit)


def _grant(client: Client) -> Grant | None:
    if client.mac is None:
        return None
    try:
        found = grants.by_mac(house().edge(), client.mac, house().now())
    except StoreError as error:
        _log.error("store_unavailable", reason=error.message, remedy=error.remedy)
        return None
    return found if found and found.zone == client.zone else None
