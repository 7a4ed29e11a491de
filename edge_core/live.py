# SPDX-License-Identifier: EUPL-1.2
"""What the devices of a site show each other now (`live/{what}`): how it is judged, and how it comes to pages.

`sync` alone writes `run_dir/live.json`. A word says of which moment it is, and is worth nothing two windows later: a
page then says that it doesn't know. All of it is in memory and about counts or kiosks, never about a person.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_core import clock

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

BUSY, QUEUE, HELP, KIOSK = "busy", "queue", "help", "kiosk"
WHATS = (BUSY, QUEUE, HELP, KIOSK)
CALL_SECONDS = 1800.0
"""A call for help that nobody answered is over after this."""
KEPT_SECONDS = 3600.0
"""A device that has said nothing for so long is no longer missed; a kiosk is missed for a day, see `kept`."""
_KIOSK_SECONDS = 86400.0
LARGEST = 4096
_AHEAD = 90.0  # seconds by which another device's clock may be ahead of ours
_SLACK = 90.0
_LONGEST_NAME, _MOST_ANSWERS, _MOST_ROLES = 64, 64, 16
SCREEN = ("alive", "silent")
"""Whether a kiosk's page gave a sign of life lately."""
_FEWEST, _MOST_PEOPLE = 10, 100_000  # as the contract says

Words = dict[str, dict[str, dict[str, Any]]]
"""By what, by device: the last message that made sense."""


class Queue(NamedTuple):
    """About how many devices wait at a place (None: it can't be told), and at which moment, in seconds since 1970."""

    place: str
    people: int | None
    at: float


def kept(what: str) -> float:
    """Return for how many seconds a word is kept."""
    return _KIOSK_SECONDS if what == KIOSK else KEPT_SECONDS


def judge(what: str, payload: bytes, now: float) -> dict[str, Any] | None:
    """Return what a message says, with the members that we know alone; None where it makes no sense at `now`."""
    try:
        told = json.loads(payload) if len(payload) <= LARGEST else None
        if not isinstance(told, dict) or not _number(told.get("at"), now - kept(what), now + _AHEAD):
            return None
        return _JUDGES[what](told, now)
    except (ValueError, KeyError, RecursionError):
        return None


def _busy(told: dict[str, Any], _now: float) -> dict[str, Any] | None:
    about = told.get("around")
    if not _seconds(told) or not _count(about):
        return None
    return {"at": told["at"], "seconds": told["seconds"], "around": about}


def _queue(told: dict[str, Any], _now: float) -> dict[str, Any] | None:
    place, people = told.get("place"), told.get("people")
    if not _seconds(told) or not _count(people) or not _name(place):
        return None
    return {"at": told["at"], "seconds": told["seconds"], "place": place, "people": people}


def _help(told: dict[str, Any], now: float) -> dict[str, Any] | None:
    called, answered = told.get("called"), told.get("answered")
    if called is not None and not _number(called, 0, now + _AHEAD):
        return None
    if not isinstance(answered, dict) or len(answered) > _MOST_ANSWERS:
        return None
    if not all(_name(name) and _number(at, 0, now + _AHEAD) for name, at in answered.items()):
        return None
    return {"at": told["at"], "called": called, "answered": answered}


def _kiosk(told: dict[str, Any], _now: float) -> dict[str, Any] | None:
    screen, devices = told.get("screen"), told.get("devices")
    if screen not in SCREEN or not isinstance(devices, dict) or len(devices) > _MOST_ROLES:
        return None
    if not all(_name(role) and _name(state) for role, state in devices.items()):
        return None
    return {"at": told["at"], "screen": screen, "devices": devices}


_JUDGES = {BUSY: _busy, QUEUE: _queue, HELP: _help, KIOSK: _kiosk}


def _number(raw: Any, least: float, most: float) -> bool:
    """Tell whether it is a number within two bounds: neither NaN nor a whole number too long for a float is."""
    return isinstance(raw, int | float) and not isinstance(raw, bool) and least <= raw <= most


def _seconds(told: dict[str, Any]) -> bool:
    return isinstance(told.get("seconds"), int) and _number(told["seconds"], 1, 3600)


def _count(raw: Any) -> bool:
    return raw is None or (isinstance(raw, int) and _number(raw, _FEWEST, _MOST_PEOPLE))


def _name(raw: Any) -> bool:
    return isinstance(raw, str) and 0 < len(raw) <= _LONGEST_NAME and raw.isprintable()


def write(run_dir: Path, words: Words) -> None:
    """Replace the file that pages read, whole or not at all. Raises OSError."""
    _replace(run_dir / "live.json", words)


def read(run_dir: Path) -> Words:
    """Return what was heard last; nothing where the file is missing or damaged."""
    found = _read(run_dir / "live.json")
    return {what: told for what, told in found.items() if what in WHATS and isinstance(told, dict)}


def around(settings: Settings, now: float | None = None) -> tuple[bool, int | None]:
    """Return whether a gateway of the site counts, and about how many devices are on the park's WiFi.

    None: too few to tell, or a gateway has not told its last windows, so that nobody knows.
    """
    told = read(settings.run_dir).get(BUSY, {}).values()
    now = clock.now() if now is None else now
    known = [word for word in told if _is_recent(word, now)]
    if not known or not all(_is_fresh(word, now) for word in known):
        return bool(known), None
    return True, sum(word["around"] or 0 for word in known) or None


def queues(settings: Settings, now: float) -> list[Queue]:
    """Return the queues that the site's gateways watch at this hour; without a number where it is stale."""
    told = read(settings.run_dir).get(QUEUE, {}).values()
    return [
        Queue(word["place"], word["people"] if _is_fresh(word, now) else None, word["at"])
        for word in sorted(told, key=lambda word: str(word.get("place")))
        if _is_recent(word, now)
    ]


def _is_recent(word: dict[str, Any], now: float) -> bool:
    return bool(now - KEPT_SECONDS <= word["at"] <= now + _AHEAD)


def _is_fresh(word: dict[str, Any], now: float) -> bool:
    """Tell whether the next window can't have been told yet, or only just."""
    return bool(now <= word["at"] + 2 * word["seconds"] + _SLACK)


def call(settings: Settings, now: float | None) -> None:
    """Call the reception from this kiosk, or, by None, take the call back. Raises OSError."""
    _replace(settings.run_dir / "help-call.json", {} if now is None else {"called": now})


def answer(settings: Settings, device: str, now: float) -> None:
    """Say that somebody of the reception goes to a kiosk. Raises OSError."""
    _replace(settings.run_dir / "help-answers.json", {**answered_here(settings, now), device: now})


def called_here(settings: Settings, now: float) -> float | None:
    """Return when this kiosk called; None where it didn't, or long ago."""
    called = _read(settings.run_dir / "help-call.json").get("called")
    return called if _number(called, now - CALL_SECONDS, now + _AHEAD) else None


def answered_here(settings: Settings, now: float) -> dict[str, float]:
    """Return which kiosks' calls this device's desk has answered lately, and when."""
    found = _read(settings.run_dir / "help-answers.json")
    return {name: at for name, at in found.items() if _name(name) and _number(at, now - CALL_SECONDS, now + _AHEAD)}


def calls(settings: Settings, now: float) -> dict[str, tuple[float, bool]]:
    """Return the kiosks of the site that called lately: since when, and whether somebody said to come."""
    told = read(settings.run_dir).get(HELP, {})
    since = {name: word["called"] for name, word in told.items() if name != settings.device.id}
    since[settings.device.id] = called_here(settings, now)
    answers = [word["answered"] for name, word in told.items() if name != settings.device.id]
    answers.append(answered_here(settings, now))
    return {
        name: (at, any(each.get(name, 0) >= at for each in answers))
        for name, at in sorted(since.items())
        if _number(at, now - CALL_SECONDS, now + _AHEAD)
    }


def _replace(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(value), encoding="utf-8")
    fresh.replace(file)


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
