# SPDX-License-Identifier: EUPL-1.2
"""Brings scans and device states to the page, and a scan's text to whoever reads such texts; changes nothing itself.

A topic that reads scans says so at its import: `@scans.reader`. The text is asked for once, by its number, so that it
is in no address and no log. Without the device service, pages go on as if nothing was plugged in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from edge_core import clock, control, logs
from edge_core.i18n import N_
from edge_core.web.templating import language
from kiosk.here import kiosk

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str, str], str | None]

routes = Blueprint("scans", __name__)
_log = logs.get(__name__)
_WATCH = 20.0  # seconds that a page is let wait for a change
_MORE = 3.0  # seconds beyond, for the service to answer
_LONGEST_LIFE = 16
_UNKNOWN = N_("This code isn't one of ours. Choose on the screen, or ask at the reception.")
_UNREADABLE = N_("This code can't be read. Hold it still in front of the reader, or choose on the screen.")
_TOO_LATE = N_("Scan it once more, please.")
_STICK = {
    "reading": N_("The USB stick's content is being read: %(percent)s%%. Leave the stick in."),
    "taken": N_("The USB stick's content is taken. The stick may be unplugged."),
    "rejected": N_("The USB stick's content is refused, and nothing was changed. The technician's page tells why."),
    "pulled": N_("The USB stick was pulled out too early, and nothing was changed. Plug it in again."),
}
_NEWS = 30.0
"""Seconds that what becomes of a stick is news: a page that opens later doesn't say it again."""
_readers: list[Reader] = []
_last_readers: list[Reader] = []


def reader(read: Reader) -> Reader:
    """Register who reads scans: given (role, text), it returns the address to go to, or None where it isn't for it.

    `role` is "scanner" or "badge"; `text` is printable ASCII of at most 512 characters, and hostile.
    """
    _readers.append(read)
    return read


def last_reader(read: Reader) -> Reader:
    """Register who reads what no other topic took, whichever was imported first."""
    _last_readers.append(read)
    return read


@routes.get("/<view:view>/devices")
def watch() -> dict[str, Any]:
    """Wait for a change after the numbers `life` and `after`; return {life, n, devices, keys, scan}, or {"away"}."""
    after = request.args.get("after", -1, type=int)
    asked = {"op": "watch", "life": request.args.get("life", "")[:_LONGEST_LIFE], "after": after, "seconds": _WATCH}
    answer = control.ask(kiosk().settings.devices_socket, asked, _WATCH + _MORE)
    if not answer or not answer.pop("ok", False):
        return {"away": True}
    stick = answer.get("devices", {}).get("stick", {})
    words = _STICK.get(stick.get("news", ""))
    if words and clock.now() - float(stick.get("at", 0)) < _NEWS:
        stick["said"] = language().gettext(words) % {"percent": stick.get("percent")}
    return answer


@routes.post("/<view:view>/scan/<int:number>")
def take(number: int) -> dict[str, str]:
    """Take a scan and return {"href": where to go}, or {"said": what to tell the person}."""
    answer = control.ask(kiosk().settings.devices_socket, {"op": "take", "n": number})
    if not answer or not answer.get("ok"):
        return {"said": language().gettext(_TOO_LATE)}
    role, text = str(answer.get("role")), str(answer.get("text"))
    if not text:
        return {"said": language().gettext(_UNREADABLE)}
    for read in (*_readers, *_last_readers):
        href = read(role, text)
        if href is not None:
            return {"href": href}
    _log.info("scan_not_ours", role=role)
    return {"said": language().gettext(_UNKNOWN)}
