# SPDX-License-Identifier: EUPL-1.2
"""How the site's kiosks are (`live/kiosk`): what one says of itself, and what the desk makes of it.

It is about devices alone: whether the page on the screen is alive, and each role's state as the device service tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from edge_core import clock, control, live

if TYPE_CHECKING:
    from edge_core.settings import Settings

_PAGE_SECONDS = 30.0
_ASK_SECONDS = 0.5
_UP_SECONDS = 150.0  # it says so again each minute


class Kiosk(NamedTuple):
    """A kiosk of the site: whether it speaks, its screen ("alive", "silent"), states by role, when it last spoke."""

    name: str
    up: bool
    screen: str
    devices: dict[str, str]
    at: float


def own(settings: Settings) -> dict[str, Any]:
    """Return what this kiosk says of itself now; a device that is absent and that nobody expects isn't worth a word."""
    answer = control.ask(settings.devices_socket, {"op": "state"}, _ASK_SECONDS) or {}
    told = answer.get("devices")
    states = told.items() if isinstance(told, dict) else ()
    found = {role: str(its["state"]) for role, its in states if isinstance(its, dict) and its.get("state")}
    found.pop("screen", None)  # lit or dark is nobody's trouble
    expected = settings.kiosk.devices
    found = {role: state for role, state in found.items() if state != "absent" or role in expected}
    return {"screen": live.SCREEN[0] if _page_is_alive(settings) else live.SCREEN[1], "devices": found}


def _page_is_alive(settings: Settings) -> bool:
    try:
        return abs(clock.now() - (settings.run_dir / "kiosk.heartbeat").stat().st_mtime) <= _PAGE_SECONDS
    except OSError:
        return False


def others(settings: Settings, now: float) -> list[Kiosk]:
    """Return the site's other kiosks by their names; those that fell silent too, for a day."""
    told = live.read(settings.run_dir).get(live.KIOSK, {})
    return [
        Kiosk(name, now - word["at"] <= _UP_SECONDS, word["screen"], word["devices"], word["at"])
        for name, word in sorted(told.items())
        if name != settings.device.id
    ]
