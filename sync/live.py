# SPDX-License-Identifier: EUPL-1.2
"""Tells the site's devices how busy it is here, who queues, who calls for help, how this kiosk is; notes what they say.

Retained, so that a device that starts knows at once; said again each minute, so that a broker that was wiped does too.
Counts are those of the told windows alone: nothing here is finer than what leaves for the platform.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edge_core import live, live_kiosks, logs
from edge_core.live import BUSY, HELP, KIOSK, QUEUE
from edge_core.store import series
from edge_core.web import dates

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from edge_core.settings import Settings
    from edge_core.store.series import Window

_AGAIN = 60.0
_LOOK = 10.0  # seconds between two looks at this kiosk's own devices
_MOST_DEVICES = 200
_log = logs.get(__name__)


class Live:
    """One device's part in it. `publish` takes a topic's last level and a retained payload; False without a broker."""

    def __init__(
        self,
        settings: Settings,
        connection: sqlite3.Connection,
        publish: Callable[[str, bytes], bool],
        wall: Callable[[], float],
    ) -> None:
        """Begin knowing nothing of the others; `wall` is the wall clock."""
        self._settings, self._connection, self._publish, self._wall = settings, connection, publish, wall
        self._heard: live.Words = {what: {} for what in live.WHATS}
        self._noted: str = ""
        self._told: dict[str, str] = {}
        self._again_due = float("-inf")
        self._look_due = float("-inf")
        self._kiosk: dict[str, Any] = {}
        self.refused = 0

    def again(self) -> None:
        """Tell everything at the next turn, because the connection is a new one."""
        self._again_due = float("-inf")

    def hear(self, what: str, device: str, payload: bytes) -> bool:
        """Take in what another device says; False where it makes no sense now."""
        words = self._heard[what]
        if not payload:  # taken back
            words.pop(device, None)
            return True
        word = live.judge(what, payload, self._wall())
        if word is None or (device not in words and len(words) >= _MOST_DEVICES):
            self.refused += 1
            if logs.worth_telling(self.refused):
                _log.warning("live_refused", what=what, device=device, times=self.refused)
            return False
        words[device] = word
        return True

    def tend(self, running: float, now: float) -> None:
        """Tell what is new and write down what was heard; `running` is a clock that nobody sets."""
        own = self._own(now)
        if self._settings.kiosk.screen:
            own[KIOSK] = self._own_kiosk(running)
        if running >= self._again_due:
            self._told, self._again_due = {}, running + _AGAIN
        for what, word in own.items():
            self._tell(what, word, now)
        self._note(own, now)

    def _tell(self, what: str, word: dict[str, Any] | None, now: float) -> None:
        """Publish a word that isn't the last one; None takes back what was said before."""
        said = json.dumps(word, sort_keys=True)
        if self._told.get(what) == said:
            return
        payload = b"" if word is None else json.dumps({"at": round(now, 3), **word}, separators=(",", ":")).encode()
        if self._publish(f"live/{what}", payload):
            self._told[what] = said

    def _note(self, own: dict[str, dict[str, Any] | None], now: float) -> None:
        """Write the file where something changed; pages go without it on a full disk."""
        here = self._settings.device.id
        for what in own.keys() - {HELP, KIOSK}:
            word = own[what]
            if word is None:
                self._heard[what].pop(here, None)
            else:
                self._heard[what][here] = word
        for what, words in self._heard.items():
            for device in [name for name, word in words.items() if word["at"] < now - live.kept(what)]:
                del words[device]
        said = json.dumps(self._heard, sort_keys=True)
        if said != self._noted:
            with suppress(OSError):
                live.write(self._settings.run_dir, self._heard)
                self._noted = said

    def _own_kiosk(self, running: float) -> dict[str, Any]:
        """Return how this kiosk is, as it was seen lately: its devices are asked over a socket."""
        if running >= self._look_due:
            self._kiosk, self._look_due = live_kiosks.own(self._settings), running + _LOOK
        return self._kiosk

    def _own(self, now: float) -> dict[str, dict[str, Any] | None]:
        """Return what this device says now; what it can't tell is left out and grows old, None is taken back."""
        calls = {"called": live.called_here(self._settings, now), "answered": live.answered_here(self._settings, now)}
        own: dict[str, dict[str, Any] | None] = {HELP: calls}
        if not self._settings.lan.interface:
            return own
        wanted = self._settings.presence
        windows = last_windows(self._connection, now, wanted.window)
        if (word := busy(windows)) is not None:
            own[BUSY] = word
        if not wanted.queue or not is_within(wanted.queue_hours, now):
            own[QUEUE] = None
        elif (word := queue(windows, wanted.queue, wanted.queue_place or wanted.queue)) is not None:
            own[QUEUE] = word
        return own


def last_windows(connection: sqlite3.Connection, now: float, seconds: int) -> list[Window]:
    """Return the windows of the last span that was told whole, not older than two of them."""
    found = list(series.read(connection, int(now) - 3 * seconds, int(now)))
    last = max((window.start for window in found), default=0)
    return [window for window in found if window.start == last]


def busy(windows: list[Window]) -> dict[str, Any] | None:
    """Return how busy the site is by these windows of one span; None where nobody can tell."""
    zones = [window for window in windows if not window.access_point]
    if not zones or any(window.doubt == "flood" for window in zones):
        return None
    around = sum(window.associated or 0 for window in zones) or None
    return {"at": zones[0].start + zones[0].seconds, "seconds": zones[0].seconds, "around": around}


def queue(windows: list[Window], access_point: str, place: str) -> dict[str, Any] | None:
    """Return how many devices are at the access point where people queue, a place; None where it wasn't counted."""
    here = [window for window in windows if window.access_point == access_point and window.doubt != "flood"]
    if not here:
        return None
    end = here[0].start + here[0].seconds
    people = sum(window.associated or 0 for window in here) or None
    return {"at": end, "seconds": here[0].seconds, "place": place, "people": people}


def is_within(hours: tuple[int, int] | None, now: float) -> bool:
    """Tell whether it is between two minutes of the day; always where there are none."""
    if hours is None:
        return True
    moment = dates.here(now)
    minute, (first, last) = moment.hour * 60 + moment.minute, hours
    return first <= minute < last if first < last else minute >= first or minute < last
