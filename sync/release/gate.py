# SPDX-License-Identifier: EUPL-1.2
"""Judges whether a device is well after a switch: units, portal, kernel, screen, acknowledgements; it changes nothing.

What can't be judged here and now (no platform within reach before the switch, no screen) is not held against a release.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import clock, control
from edge_core.errors import ParvisError
from edge_core.store import database, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_core.settings import Settings

PATIENCE = 40.0
"""Seconds that a release has from its restart on; with the restart of the one before it stays below a minute."""
_SURE = 10.0
"""Seconds after which a service that died again and again is given up: one that is slow has all of the patience."""
_DEATHS = 3
_PAUSE = 2.0  # a process that dies at once and is started again for ever is active for a moment, too
_OWN = "parvis-release."
_FOREIGN = ("/", "site.example")  # no detector's name: those the front answers without the portal


@dataclass(frozen=True)
class Baseline:
    """What was so before the switch: events acknowledged, and whether the platform was within reach."""

    acked: int
    reached: bool


def baseline(settings: Settings) -> Baseline:
    """Note how far the platform had come."""
    try:
        with closing(database.open_edge(settings.edge_db)) as connection:
            account = outbox.account(connection)
    except (ParvisError, sqlite3.Error):
        return Baseline(0, reached=False)
    return Baseline(account.acked, reached=account.acked > 0 and account.pending == 0)


def trouble(settings: Settings, before: Baseline, units: Sequence[str], since: float) -> str:
    """Wait until every check is content and return ""; else what the last one said when the patience is over.

    `since` is when the release was started, in seconds of the monotonic clock.
    """
    checks: list[Callable[[], str]] = [lambda: _active(units)]
    if "parvis-agent.service" in units:
        checks += [lambda: _redirects(settings), lambda: _kernel_agrees(settings)]
    if "parvis-kiosk.service" in units:
        checks.append(lambda: _paints(settings, screen="parvis-screen.service" in units))
    if before.reached:
        checks.append(lambda: _acknowledged(settings, before))
    first = _looked(units)
    while True:
        said = next((word for check in checks if (word := check())), "")
        if not said:
            time.sleep(_PAUSE)
            said = _active(units)
        waited = clock.monotonic() - since
        if not said or waited > PATIENCE or (waited > _SURE and _dies(units, first)):
            return said
        time.sleep(0.5)


def units() -> list[str]:
    """Return the services that are enabled here, but the installer's own."""
    words = ["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "parvis-*.service"]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30).stdout
    names = [line.split()[0] for line in said.splitlines() if line.strip()]
    return [name for name in names if not name.startswith(_OWN)]


def _active(names: Sequence[str]) -> str:
    done = subprocess.run(
        ["systemctl", "is-active", *names], capture_output=True, text=True, check=False, timeout=30
    ).stdout.split()
    wrong = [f"{name} is {state}" for name, state in zip(names, done, strict=False) if state != "active"]
    return ", ".join(wrong)


def _looked(names: Sequence[str]) -> dict[str, tuple[bool, int]]:
    """Return of each service whether it runs, and how often systemd has started it again by itself."""
    words = ["systemctl", "show", "--property=Id,ActiveState,NRestarts", *names]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30).stdout
    rows = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n") if block]
    return {row["Id"]: (row["ActiveState"] == "active", int(row["NRestarts"])) for row in rows}


def _dies(names: Sequence[str], before: Mapping[str, tuple[bool, int]]) -> bool:
    """Tell whether a service that doesn't run was started again so often since that waiting mends nothing."""
    now = _looked(names).items()
    return any(not runs and count - before[name][1] >= _DEATHS for name, (runs, count) in now if name in before)


def _redirects(settings: Settings) -> str:
    # Of a pair the guests' addresses are at the active one alone.
    address = "127.0.0.1" if settings.ha.peer else str(settings.lan.ipv4.ip)
    status, _ = _ask(address, settings.portal.port, *_FOREIGN)
    return (
        ""
        if status == http.HTTPStatus.FOUND
        else f"a guest who asks for another site is answered with {status or 'nothing'}"
    )


def _kernel_agrees(settings: Settings) -> str:
    """Have the agent make the kernel hold what the store grants; it answers once it does."""
    return "" if control.nudge(settings.agent_socket) else "the agent brings no grant to the kernel"


def _paints(settings: Settings, *, screen: bool) -> str:
    status, body = _ask(settings.kiosk.bind, settings.kiosk.port, "/health", "localhost")
    if status != http.HTTPStatus.OK:
        return f"the kiosk answers with {status or 'nothing'}"
    try:
        seen = json.loads(body).get("page_seen")
    except (ValueError, AttributeError):
        return "the kiosk's health is no JSON"
    return "the screen shows no living page" if screen and seen is None else ""


def _acknowledged(settings: Settings, before: Baseline) -> str:
    now = baseline(settings)
    return "" if now.acked > before.acked else "the platform acknowledges nothing any more"


def _ask(address: str, port: int, path: str, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, port, timeout=3)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read(65536)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
