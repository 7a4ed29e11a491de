# SPDX-License-Identifier: EUPL-1.2
"""What is plugged into this machine, as roles: a scanner, a ticket printer, a stick; the only module that asks udev.

It decides by what udev says of a device (its bus, class and file system), and opens nothing. Events may be lost when
many come at once, so everything is listed again from time to time, and what is told is the difference.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyudev

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Role = Literal["scanner", "badge", "printer", "touch", "headphones", "stick", "keypad", "keyboard"]

RESCAN = 30.0  # seconds between two lists
_SUBSYSTEMS = ("input", "usbmisc", "block", "sound")
_GIVEN: dict[str, frozenset[Role]] = {
    "input": frozenset({"scanner", "badge", "touch", "headphones", "keypad"}),
    "usbmisc": frozenset({"printer"}),
}
"""Roles that a udev rule may give (ENV{PARVIS_ROLE}), by subsystem."""
_OUTSIDE = frozenset({"usb", "bluetooth"})
_NAMED: tuple[tuple[Role, tuple[str, ...]], ...] = (
    ("scanner", ("scan", "barcode")),
    ("badge", ("badge", "rfid", "nfc", "card reader")),
    ("keypad", ("keypad", "numpad", "number pad", "numeric")),
)
_FILE_SYSTEMS = frozenset({"vfat", "exfat", "ext4", "iso9660", "udf", "ntfs"})


@dataclass(frozen=True, order=True)
class Plugged:
    """One device that plays a role. `node` is its file below /dev; `label` its name as a person knows it, or ""."""

    role: Role
    node: str
    label: str = ""
    file_system: str = ""


@dataclass(frozen=True)
class Change:
    """A device came, or went."""

    came: bool
    device: Plugged


def role_of(subsystem: str, node: str, properties: Mapping[str, str], attributes: Mapping[str, str]) -> Plugged | None:
    """Return what a device is to us, or None.

    What a udev rule says comes first. A scanner, badge reader or number pad is a keyboard that calls itself one; any
    other from outside is just that: who plugged it in wants to type. A printer answers on usblp; a stick is a file
    system on the USB bus; headphones are a jack that can tell, or a sound card on the USB bus.
    """
    if not node:
        return None
    given = next((role for role in _GIVEN.get(subsystem, ()) if role == properties.get("PARVIS_ROLE")), None)
    name = attributes.get("name", "") or properties.get("NAME", "").strip('"') or properties.get("ID_MODEL", "")
    if subsystem == "input":
        role = (given or _input(name, properties)) if "/event" in node else None
        return Plugged(role, node, name) if role else None
    if subsystem == "sound" and "/controlC" in node:
        return Plugged("headphones", node, name) if properties.get("ID_BUS") == "usb" else None
    if subsystem == "usbmisc" and "/lp" in node:
        return Plugged("printer", node, _printer(attributes.get("ieee1284_id", "")))
    file_system = properties.get("ID_FS_TYPE", "")
    if subsystem == "block" and properties.get("ID_BUS") == "usb" and file_system in _FILE_SYSTEMS:
        return Plugged("stick", node, properties.get("ID_FS_LABEL", ""), file_system)
    return None


def _input(name: str, properties: Mapping[str, str]) -> Role | None:
    words = f"{name} {properties.get('ID_MODEL', '')}".lower()
    if properties.get("ID_INPUT_TOUCHSCREEN") == "1":
        return "touch"
    if properties.get("ID_INPUT_SWITCH") == "1" and ("headphone" in words or "headset" in words):
        return "headphones"
    if properties.get("ID_INPUT_KEYBOARD") != "1":
        return None
    named = next((role for role, marks in _NAMED if any(mark in words for mark in marks)), None)
    return named or ("keyboard" if properties.get("ID_BUS") in _OUTSIDE else None)


def _printer(identity: str) -> str:
    """Return maker and model in an IEEE 1284 device id such as `MFG:EPSON;CMD:ESCPOS;MDL:TM-T88V;`."""
    parts = dict(part.split(":", 1) for part in identity.split(";") if ":" in part)
    return f"{parts.get('MFG', '')} {parts.get('MDL', '')}".strip()


class Hotplug:
    """Follows what is plugged in. One thread calls `changes`; `stop` may come from any other."""

    def __init__(self, source: Literal["udev", "kernel"] = "udev") -> None:
        """Listen from now on, so that nothing is lost between the first list and the first event."""
        self._context = pyudev.Context()
        self._monitor = pyudev.Monitor.from_netlink(self._context, source)
        for subsystem in _SUBSYSTEMS:
            self._monitor.filter_by(subsystem)
        self._monitor.start()
        self._known: set[Plugged] = set()
        self._stopping = threading.Event()

    def present(self) -> set[Plugged]:
        """Return what is plugged in now."""
        found = set()
        for subsystem in _SUBSYSTEMS:
            for device in self._context.list_devices(subsystem=subsystem):
                try:
                    plugged = _plugged(device)
                except (pyudev.DeviceNotFoundError, OSError):  # unplugged while we looked
                    continue
                if plugged is not None:
                    found.add(plugged)
        return found

    def changes(self, wait: float = RESCAN) -> list[Change]:
        """Wait up to `wait` seconds for an event, list again, and return what came and what went."""
        if self._known or wait:
            device = self._monitor.poll(timeout=wait) if wait else None
            while device is not None:  # a stick is a burst of events: take all that are there
                device = self._monitor.poll(timeout=0.2)
        now = self.present()
        gone = [Change(came=False, device=each) for each in sorted(self._known - now)]
        come = [Change(came=True, device=each) for each in sorted(now - self._known)]
        self._known = now
        return gone + come

    def follow(self, tell: Callable[[Change], None]) -> None:
        """Call `tell` for what is there and for each change, until `stop`."""
        for change in self._all():
            tell(change)

    def stop(self) -> None:
        """Let `follow` return after its present wait, at most RESCAN seconds."""
        self._stopping.set()

    def _all(self) -> Iterator[Change]:
        yield from self.changes(0.0)
        while not self._stopping.is_set():
            yield from self.changes()


def _plugged(device: pyudev.Device) -> Plugged | None:
    attributes = {}
    for name in ("name", "ieee1284_id"):
        try:
            value = device.attributes.get(name)
        except (KeyError, OSError):
            continue
        if isinstance(value, bytes):
            attributes[name] = value.decode("utf-8", "replace").strip()
    return role_of(device.subsystem or "", device.device_node or "", dict(device.properties), attributes)
