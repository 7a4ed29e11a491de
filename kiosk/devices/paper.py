# SPDX-License-Identifier: EUPL-1.2
"""Lays a ticket out for a thermal printer (ESC/POS), in two parts; pure, and the only module that imports escpos.

What makes a ticket one is its check-out code. The code and the cut are the second part, which is sent only when the
first is through: a printer that is pulled out before has printed no ticket, and printing it again makes no second one.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.i18n import N_
from edge_core.one_line import one_line

if TYPE_CHECKING:
    from escpos.escpos import Escpos

    from edge_core.i18n import Language
    from kiosk.ticket import Ticket

COLUMNS = {58: 32, 80: 42}
"""Letters of a line by millimetres of paper: what every printer of that width has with its first font."""
_LARGE, _MIDDLE = 8, 5  # dots of a QR code's module: 8 dots are 1 mm
_QUIET = b"\x1d\x61\x00"  # GS a: no status that nobody asked for
_LONGEST = 200  # letters of one text: a hostile one must not use up the roll
_STEPS = 12

WORDS = {
    "people": N_("For %(num)s people"),
    "badge": N_("Badge"),
    "way": N_("Your way"),
    "phone": N_("The way on your phone"),
    "join": N_("Join the park's WiFi and scan."),
    "wifi": N_("WiFi code"),
    "leave": N_("When you leave, scan this code at the kiosk"),
}


@dataclass(frozen=True)
class Sheets:
    """The bytes of a ticket: `head` may come out twice without harm, `tail` must not."""

    head: bytes
    tail: bytes


def lay(ticket: Ticket, language: Language, millimetres: int = 80, profile: str = "default") -> Sheets:
    """Return the bytes that print a ticket. Raises ValueError where the printer's profile is unknown."""
    from escpos.capabilities import get_profile  # noqa: PLC0415  20 MB, for those who have a printer
    from escpos.printer import Dummy  # noqa: PLC0415

    try:
        get_profile(profile)
    except KeyError:
        raise ValueError(f"{profile!r} is no printer profile of python-escpos") from None
    printer = Dummy(profile=profile)
    sheet = _Sheet(printer, COLUMNS[millimetres], language)
    sheet.head(ticket)
    head = printer.output
    printer.clear()
    sheet.tail(ticket)
    return Sheets(head, printer.output)


class _Sheet:
    def __init__(self, printer: Escpos, columns: int, language: Language) -> None:
        self._printer, self._columns = printer, columns
        self._language = language

    def head(self, ticket: Ticket) -> None:
        """Lay everything but the code to leave with."""
        self._printer.hw("INIT")
        self._printer._raw(_QUIET)  # noqa: SLF001  the library's own way for what it has no name for
        self._lines(ticket.park, align="center", large=True)
        self._lines(ticket.day, align="center")
        self._rule()
        self._lines(ticket.company, bold=True, large=True)
        self._lines(ticket.place)
        if ticket.people > 1:
            self._lines(self._word("people") % {"num": ticket.people})
        if ticket.badge:
            self._lines(f"{self._word('badge')} {ticket.badge}", bold=True)
        if ticket.route:
            self._printer.textln()
            self._lines(self._word("way"), bold=True)
            for number, step in enumerate(ticket.route[:_STEPS], 1):
                self._lines(f"{number}. {step}")
        if ticket.wifi_code:
            self._above("wifi")
            self._code(ticket.wifi_url, _MIDDLE)
            self._lines(ticket.wifi_code, align="center", bold=True)
        if ticket.route_url:  # after the WiFi, through which alone it opens
            self._above("phone", "join")
            self._code(ticket.route_url, _MIDDLE)
        self._rule()
        self._lines(self._word("leave"), align="center", bold=True)

    def tail(self, ticket: Ticket) -> None:
        """Lay the code to leave with, and the cut."""
        self._code(ticket.check_out, _LARGE)
        self._lines(ticket.code, align="center", large=True)
        self._printer.cut()

    def _word(self, name: str) -> str:
        return self._language.gettext(WORDS[name])

    def _lines(self, text: str, *, align: str = "left", bold: bool = False, large: bool = False) -> None:
        # Few printers have the apostrophe of print, and each has it elsewhere.
        text = text[:_LONGEST].replace("\u2019", "'")
        kept = one_line(text)
        if not kept:
            return
        self._printer.set(align=align, bold=bold, custom_size=True, width=2 if large else 1, height=2 if large else 1)
        for line in textwrap.wrap(kept, self._columns // (2 if large else 1)):
            self._printer.textln(line)

    def _rule(self) -> None:
        self._printer.set(align="left", bold=False, custom_size=True, width=1, height=1)
        self._printer.textln("-" * self._columns)

    def _above(self, *names: str) -> None:
        """Write what the code below is for, apart from the code before, or a phone reads the wrong one."""
        self._printer.textln()
        for number, name in enumerate(names):
            self._lines(self._word(name), align="center", bold=not number)

    def _code(self, content: str, size: int) -> None:
        if not content:
            return
        self._printer.set(align="center", custom_size=True, width=1, height=1)
        self._printer.qr(content, ec=1, size=size, native=bool(self._printer.profile.features.get("qrCode", True)))
