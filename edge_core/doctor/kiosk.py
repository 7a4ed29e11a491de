# SPDX-License-Identifier: EUPL-1.2
"""The checks of `parvis doctor kiosk` on devices and the screen: each role, its device, its state, cause and remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edge_core import clock, control
from edge_core.doctor.finding import Finding

if TYPE_CHECKING:
    from edge_core.settings import Settings

_QUIET = 30.0  # seconds without a page's heartbeat after which the screen is looked at
_WELL = frozenset({"ready", "printing", "taken"})
_STATES = {
    "absent": (
        "is not plugged in",
        "Plug it in, switch it on. If it is: `udevadm info /dev/…` shows no PARVIS_ROLE where its model is unknown.",
    ),
    "paper": ("has no paper", "Put in a new roll, the printed side as the last one; what waits is printed by itself."),
    "cover": ("has its cover open", "Close it until it clicks."),
    "busy": ("is busy", "Release its feed button."),
    "fault": ("reports a fault", "Switch it off, look for jammed paper at the cutter, switch it on."),
    "denied": ("may not be opened", "Install systemd/udev/70-parvis.rules, then: udevadm trigger."),
    "in_use": ("is held by another program", "End that program, or reboot."),
    "refused": ("is a keyboard that nobody knows: it types nothing", "Unplug it. Who plugged it in?"),
    "rejected": (
        "was refused",
        "Nothing was changed. Mend what it says, plug the stick in again; `journalctl -u parvis-stick` says more.",
    ),
}


def checks(settings: Settings) -> list[Finding]:
    """Return a finding for the service, each role that is expected or was seen, and the screen."""
    answer = control.ask(settings.devices_socket, {"op": "state"})
    if not answer or not answer.get("ok"):
        remedy = (
            "Start `parvis run kiosk` (or parvis-devices.service); `journalctl -u parvis-devices` says why it ended."
        )
        return [Finding("devices", "failed", f"nobody answers on {settings.devices_socket}", remedy), screen(settings)]
    told = {str(role): state for role, state in answer["devices"].items() if role != "screen"}
    roles = [*dict.fromkeys([*settings.kiosk.devices, *sorted(told)])]
    found = [device(role, told.get(role, {"state": "absent"}), settings) for role in roles]
    if not found:
        found = [Finding("devices", "ok", "nothing is plugged in, and [kiosk] devices expects nothing")]
    return [*found, screen(settings)]


def device(role: str, told: dict[str, Any], settings: Settings) -> Finding:
    """Judge one role; what nobody expects is no failure when it is absent."""
    state = str(told.get("state"))
    name = " ".join(str(told[part]) for part in ("label", "node") if told.get(part))
    where = f" ({name})" if name else ""
    if state in _WELL:
        return Finding(role, "ok", f"{state}{where}")
    seen, remedy = _STATES.get(
        state, (f"is in an unknown state, {state!r}", "`journalctl -u parvis-devices` says what it saw.")
    )
    if state == "rejected" and told.get("label"):
        seen, where = f"{seen}: {told['label']}", f" ({told.get('node')})"
    expected = role in settings.kiosk.devices
    if state == "absent" and not expected:
        # What was there once has left its name; the printer's state is told from the start on.
        seen = f"was unplugged{where}" if name else "is not plugged in"
        return Finding(role, "ok", f"{seen}; [kiosk] devices doesn't expect it")
    return Finding(role, "failed" if expected else "warning", f"{seen}{where}", remedy)


def screen(settings: Settings) -> Finding:
    """Judge the page on the screen by its heartbeat, and tell how often it had to be helped."""
    if not settings.kiosk.screen:
        return Finding("screen", "ok", "this device has none ([kiosk] screen)")
    helped = _helped(settings)
    try:
        ago = clock.now() - (settings.run_dir / "kiosk.heartbeat").stat().st_mtime
    except OSError:
        ago = float("inf")
    if ago <= _QUIET:
        return Finding("screen", "ok", f"the page was alive {max(0.0, ago):.0f} s ago{helped}")
    seen = "no page was alive since the start" if ago == float("inf") else f"the page was last alive {ago:.0f} s ago"
    remedy = "It is helped by itself: reload, browser, compositor, reboot. Then: journalctl -u parvis-screen."
    return Finding("screen", "failed", seen + helped, remedy)


def _helped(settings: Settings) -> str:
    try:
        kept = json.loads((settings.device.state_dir / "screen.json").read_text(encoding="ascii"))
        counts = [f"{name} {count}" for name, count in kept.items() if name != "in_a_row" and count]
    except (OSError, ValueError, AttributeError):
        return ""
    return f"; helped so far: {', '.join(counts)}" if counts else ""
