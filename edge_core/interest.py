# SPDX-License-Identifier: EUPL-1.2
"""Counts which pages are read and what is searched for, in memory, and tells groups of ten and more alone.

Who asks is known by a keyed hash whose key is forgotten with the window. Words that fewer than ten people asked for
are never written down: they die with the window too. A process that is killed loses its open window, and nothing else.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from edge_core import disclosure, logs
from edge_core.errors import ParvisError
from edge_core.events import PagesRead, SearchesAsked, Touched
from edge_core.store import database, outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_core.event import Event

_log = logs.get(__name__)
_Key = TypeVar("_Key", str, tuple[str, str])
_Row = dict[str, str | int]
_MOST_PAGES, _MOST_WORDS, _MOST_TYPING, _MOST_TOLD = 2000, 2000, 2000, 100
"""Bounds of memory and of an event: who makes up words by the thousand counts in the sums alone."""


@dataclass
class _Window:
    """What one window has seen. `salt` makes the stand-ins of this window alone."""

    start: int
    salt: bytes
    touches: int = 0
    visits: set[bytes] = field(default_factory=set)
    pages: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    words: dict[str, set[bytes]] = field(default_factory=dict)
    typing: dict[bytes, tuple[str, bool]] = field(default_factory=dict)
    asked: int = 0
    unanswered: int = 0


class Interest:
    """The open window of one application. Any thread may call; `minimum` and `rounding` are the settings' own."""

    def __init__(
        self,
        place: str,
        seconds: int,
        minimum: int,
        rounding: int,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._place, self._seconds = place, seconds
        self._minimum, self._rounding, self._draw = minimum, rounding, draw
        self._window = self._new(0)
        self._lock = threading.Lock()

    def touched(self, who: str) -> None:
        """Count a touch of somebody."""
        with self._lock:
            self._window.touches += 1
            self._window.visits.add(self._token(who))

    def read(self, collection: str, key: str, who: str) -> None:
        """Count that somebody opened a page of the content; what they were typing was what they looked for."""
        with self._lock:
            token = self._token(who)
            _settle(self._window, token)
            _note(self._window.pages, (collection, key), token, _MOST_PAGES)

    def searched(self, text: str, who: str, *, found: bool) -> None:
        """Count that somebody searched, and whether anything was found."""
        words = _plain(text)
        with self._lock:
            token = self._token(who)
            if _same_question(self._window.typing.get(token, (words, found))[0], words):
                self._window.typing.pop(token, None)
            _settle(self._window, token)
            _ask(self._window, token, words, found=found)

    def typed(self, text: str, who: str, *, found: bool) -> None:
        """Take in what stands in a search field after a letter: one question, counted once it is another or left."""
        words = _plain(text)
        with self._lock:
            token = self._token(who)
            before = self._window.typing.get(token, ("", True))[0]
            if words and before.startswith(words):
                return  # taking letters away asks nothing new
            if not _same_question(before, words):
                _settle(self._window, token)
            if words and (token in self._window.typing or len(self._window.typing) < _MOST_TYPING):
                self._window.typing[token] = (words, found)

    def turn(self, now: float) -> list[Event]:
        """Return what may be told of the window that has closed by `now` (seconds since 1970); mostly nothing."""
        start = int(now) // self._seconds * self._seconds
        with self._lock:
            if start == self._window.start:
                return []
            done, self._window = self._window, self._new(start)
        for token in list(done.typing):
            _settle(done, token)
        return self._tell(done) if done.start else []

    def _new(self, start: int) -> _Window:
        return _Window(start, self._draw(16))

    def _token(self, who: str) -> bytes:
        return blake2b(who.encode(), key=self._window.salt, digest_size=6).digest()

    def _told(self, count: int) -> int | None:
        return disclosure.told(count, self._minimum, self._rounding)

    def _tell(self, done: _Window) -> list[Event]:
        when: Any = {"place": self._place, "start": done.start, "seconds": self._seconds}
        pages: list[_Row] = []
        words: list[_Row] = []
        for (collection, key), who in done.pages.items():
            if (count := self._told(len(who))) is not None:
                pages.append({"collection": collection, "id": key, "askers": count})
        for text, who in done.words.items():
            if (count := self._told(len(who))) is not None:
                words.append({"text": text, "askers": count})
        asked, unanswered = self._told(done.asked), self._told(done.unanswered)
        touches, visits = self._told(done.touches), self._told(len(done.visits))
        events: list[Event] = []
        if pages:
            events.append(PagesRead(**when, pages=sorted(pages, key=_by_askers)[:_MOST_TOLD]))
        if asked is not None:
            told = sorted(words, key=_by_askers)[:_MOST_TOLD]
            events.append(SearchesAsked(**when, asked=asked, unanswered=unanswered, words=told))
        if touches is not None:
            events.append(Touched(**when, touches=touches, visits=visits))
        return events


def record(interest: Interest, edge_db: Path, now: float) -> None:
    """Write down what the window that has closed may tell; a store that refuses loses a count and no page."""
    events = interest.turn(now)
    if not events:
        return
    try:
        with closing(database.open_edge(edge_db)) as store, database.write(store):
            for event in events:
                outbox.append(store, event, now)
    except ParvisError as error:
        _log.warning("interest_not_recorded", reason=str(error))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())[:80]


def _ask(window: _Window, token: bytes, words: str, *, found: bool) -> None:
    window.asked += 1
    window.unanswered += not found
    _note(window.words, words, token, _MOST_WORDS)


def _settle(window: _Window, token: bytes) -> None:
    """Count what somebody had typed, if anything, as what they looked for."""
    if token in window.typing:
        words, found = window.typing.pop(token)
        _ask(window, token, words, found=found)


def _same_question(before: str, after: str) -> bool:
    """Tell whether somebody goes on typing: letters added, or a slip in the second half put right; pure."""
    begun = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    return begun == len(before) or begun * 2 >= max(len(before), len(after))


def _note(counts: dict[_Key, set[bytes]], key: _Key, who: bytes, most: int) -> None:
    if key in counts or len(counts) < most:
        counts.setdefault(key, set()).add(who)


def _by_askers(row: _Row) -> tuple[int, str]:
    """Order by askers, most first; equal ones by their text, so that the order tells nothing more."""
    return -int(row["askers"]), str(sorted(row.items(), key=str))
