# SPDX-License-Identifier: EUPL-1.2
"""Watches the page on the screen and acts on it: asks the page to reload, and leaves orders for those who may do more.

An order is a word and a number in a file: the screen's own unit does "browser" and "help", a unit of root's, started by
the file's change, does "compositor", "reboot" and "corner". This service has no right to do either. While the public
service corner is open, the kiosk's own browser is away on purpose and nothing is done about it. The screen's unit is
also asked for a picture, of the first page alone: no visitor's words are on it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edge_core import durable, logs
from edge_core.web.dates import here
from edge_core.web.server import answers
from kiosk import corner_wish
from kiosk.devices.ladder import Ladder, is_lit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_core.settings import Settings
    from kiosk.devices.board import Board
    from kiosk.devices.ladder import Rung

_log = logs.get(__name__)
_NIGHT_HOUR = 4
_ANSWER_SECONDS = 5.0
_PICTURE_SECONDS = 60.0


class Screen:
    """One thread calls `turn`. `orders` is the folder that the other units watch; `helped` is told of each rung."""

    def __init__(
        self, settings: Settings, board: Board, orders: Path, helped: Callable[[str, int], None], now: float
    ) -> None:
        self._corner = orders.with_name("parvis-corner-rules")  # there as long as the corner is open
        self._corner_at = 0.0
        self._corners = 0
        self._settings, self._board, self._orders, self._helped = settings, board, orders, helped
        self._heartbeat = settings.run_dir / "kiosk.heartbeat"
        self._record = settings.device.state_dir / "screen.json"
        kept = _read(self._record)
        self._counts = {name: count for name, count in kept.items() if name != "in_a_row"}
        self._ladder = Ladder(now, kept.get("in_a_row", 0))
        self._beat = self._last_beat()
        self._number = self._pictures = 0
        self._picture_due = now
        self._night: str | None = None
        self._order("start", 0)

    def turn(self, now: float, wall: float) -> None:
        """Look at the page, at `now` of a monotonic clock and `wall` of the wall's."""
        beat = self._last_beat()
        alive, self._beat = beat != self._beat, beat
        self._open_corner(wall)
        if self._corner.exists():
            self._ladder.wait(now)
            return
        before = self._ladder.reboots
        rung = self._ladder.look(now, alive=alive, served=alive or self._is_served())
        if rung is not None:
            self._act(rung)
        elif self._ladder.reboots != before:
            self._keep()
        self._show(wall)
        if now >= self._picture_due and self._is_first():
            self._picture_due = now + _PICTURE_SECONDS
            self._pictures += 1
            self._leave("picture", str(self._pictures))

    def _open_corner(self, wall: float) -> None:
        """Order what a visitor has just chosen, once; a unit takes the wish itself."""
        wish = corner_wish.read(self._settings.run_dir, wall)
        if wish is not None and self._settings.kiosk.public_corner and wish.at != self._corner_at:
            self._corner_at = wish.at
            self._corners += 1
            _log.info("corner_ordered")
            self._order("corner", self._corners)

    def _act(self, rung: Rung) -> None:
        count = self._counts[rung] = self._counts.get(rung, 0) + 1
        _log.error("screen_helped", rung=rung, count=count)
        self._helped(rung, count)
        self._keep()
        if rung == "reload":
            self._number += 1
        else:
            self._order(rung, count)

    def _show(self, wall: float) -> None:
        """Tell the page whether it is lit, and to load itself again: as a rung, and once each night."""
        local = here(wall)
        lit = is_lit(self._settings.kiosk.screen_hours, local.hour * 60 + local.minute)
        day = f"{local:%F}"
        if self._night is None:
            self._night = day if local.hour >= _NIGHT_HOUR else ""
        elif local.hour == _NIGHT_HOUR and self._night != day:
            self._night = day
            self._number += 1
        self._board.tell("screen", state="lit" if lit else "dark", reload=str(self._number))

    def _is_served(self) -> bool:
        kiosk = self._settings.kiosk
        return answers((kiosk.bind, kiosk.port), _ANSWER_SECONDS)

    def _last_beat(self) -> int | None:
        try:
            return self._heartbeat.stat().st_mtime_ns
        except OSError:
            return None

    def _is_first(self) -> bool:
        """Tell whether the page that is alive now is the first (or waits for content): nobody writes anything there."""
        try:
            return self._heartbeat.read_text(encoding="ascii", errors="replace") == "first"
        except OSError:
            return False

    def _order(self, word: str, count: int) -> None:
        self._leave("order", f"{word} {count}")

    def _leave(self, name: str, words: str) -> None:
        try:
            order = self._orders / name
            order.touch()
            order.chmod(0o644)  # for the units that carry it out, whatever the umask
            order.write_text(f"{words}\n", encoding="ascii")
        except OSError as error:
            _log.warning("order_not_left", reason=error.strerror)

    def _keep(self) -> None:
        words = json.dumps({**self._counts, "in_a_row": self._ladder.reboots})
        try:
            durable.replace(self._record, words.encode())  # a reboot may follow
        except OSError as error:
            _log.warning("screen_record_not_kept", reason=error.strerror)


def _read(record: Path) -> dict[str, int]:
    try:
        kept = json.loads(record.read_text(encoding="ascii"))
        return {str(name): count for name, count in kept.items() if isinstance(count, int) and count >= 0}
    except (OSError, ValueError, AttributeError):
        return {}
