# SPDX-License-Identifier: EUPL-1.2
"""Whether this gateway of a pair has the addresses now, and how fit it is to have them.

The kernel's address is the only word on who is the active one: keepalived gives and takes it, nobody else says it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from edge_core import control, health, logs, netlink, uplink
from gateway_agent import keepalived, network

if TYPE_CHECKING:
    from edge_core.settings import Settings

_log = logs.get(__name__)
_ADDRESSES = 5  # RTNLGRP_IPV4_IFADDR
_PATIENCE = 3
"""Looks without an answer, one after the other, that make a gateway ill: a restart of the portal is none."""
_SHUT_SECONDS = 30.0
"""Two gateways see the same outage some seconds apart: a short one must not move the addresses."""


def is_active(settings: Settings) -> bool:
    """Tell whether this gateway has the guests' addresses; one that stands alone always has."""
    if settings.ha.peer is None:
        return True
    zone = settings.zones[0]
    with suppress(OSError):
        return zone.ipv4 in network.addresses(zone.interface)
    return False


class Fitness:
    """Judges by what was seen at each look; pure."""

    def __init__(self) -> None:
        """Nothing was looked at: what was said before holds until something is certain."""
        self._misses = 0

    def judge(self, *, answers: bool, shut_seconds: float) -> int | None:
        """Return what is to be taken from the priority; None while it is uncertain.

        `answers`: agent and portal do. `shut_seconds`: since when the way to the Internet is shut, 0 where it is open.
        """
        self._misses = 0 if answers else self._misses + 1
        if 0 < self._misses < _PATIENCE:
            return None
        return (keepalived.ILL if self._misses else 0) + (keepalived.SHUT if shut_seconds >= _SHUT_SECONDS else 0)


class Standing:
    """Follows the kernel's addresses, and writes for keepalived how fit this gateway is."""

    def __init__(self, settings: Settings) -> None:
        """Look once. Raises OSError."""
        self._settings = settings
        self._events = netlink.Socket(netlink.ROUTE)
        self._events.subscribe(_ADDRESSES, buffer=1 << 18)
        self._fitness = Fitness()
        self._said: int | None = None
        self.active = is_active(settings)

    def fileno(self) -> int:
        """Return the descriptor on which changes arrive, for a selector."""
        return self._events.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._events.close()

    def follow(self) -> bool:
        """Take in what changed; True where this gateway has become the active one, or is so no more."""
        with suppress(netlink.NetlinkError):  # some were lost: what counts is read anew
            for _ in self._events.events():
                pass
        before, self.active = self.active, is_active(self._settings)
        if self.active != before:
            _log.warning("gateway_takes_over" if self.active else "gateway_stands_by")
        return self.active != before

    def look(self, now: float) -> None:
        """Judge, and say so where it is news. Raises OSError where that can't be written."""
        weight = self._fitness.judge(answers=self._answers(), shut_seconds=self._shut(now))
        path = keepalived.weight_file(self._settings)
        if weight is None or (weight == self._said and path.exists()):
            return
        draft = path.with_suffix(".new")
        draft.write_text(f"{weight}\n", encoding="ascii")
        draft.replace(path)
        _log.info("gateway_fitness", weight=weight)
        self._said = weight

    def _answers(self) -> bool:
        alive = control.ask(self._settings.agent_socket, {"op": "alive"})
        return bool(alive and alive.get("ok")) and health.portal(self._settings)

    def _shut(self, now: float) -> float:
        told = uplink.read(self._settings.run_dir)
        return max(0.0, now - told.since) if told and not told.up else 0.0
