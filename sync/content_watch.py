# SPDX-License-Identifier: EUPL-1.2
"""Looks for new content at start, on a timer and when poked; in its own thread, so a download delays no event."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Protocol

from edge_core import logs
from edge_core.errors import ParvisError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logs.get(__name__)
_POKE_SPREAD = 0.5  # seconds: the devices of a territory are poked at once and must not ask at once


class Result(Protocol):
    """What a look at the repository gave."""

    @property
    def changed(self) -> bool:
        """Whether something new is served now."""

    @property
    def version(self) -> int | None:
        """The version that is served; None where none is."""

    @property
    def error(self) -> ParvisError | str | None:
        """Why nothing new could be taken; None where all went well."""


class ContentWatch:
    """Calls `check` again and again; `version` is what the last call said is served.

    `tell` hears why nothing new could be taken, and "" when all is well again.
    """

    def __init__(
        self,
        check: Callable[[], Result],
        interval: float,
        chance: Callable[[], float] = random.random,
        tell: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.version: int | None = None
        self._check = check
        self._interval = interval
        self._chance = chance
        self._tell = tell
        self._told = ""
        self._poked = threading.Event()
        self._stopping = False
        self._asked_wait = 0.0  # seconds that the server asked to be left alone (Retry-After)

    def start(self) -> None:
        """Begin; the thread ends with the process, for every step of a download may be cut anywhere."""
        threading.Thread(target=self._run, name="content", daemon=True).start()

    def poke(self) -> None:
        """Look soon."""
        self._poked.set()

    def stop(self) -> None:
        """Begin no other look."""
        self._stopping = True
        self._poked.set()

    def look(self) -> None:
        """Look once; a failure is logged and what was served before stays."""
        try:
            result = self._check()
        except (ParvisError, OSError) as error:
            _log.error("content_refused", reason=str(error))
        except Exception:  # noqa: BLE001  the loop's edge: a defect in one download must not end all later ones
            _log.exception("content_failed")
        else:
            self.version = result.version
            self._asked_wait = getattr(result.error, "wait", 0.0)
            self._tell_once(str(result.error or ""))
            if result.error:
                _log.warning("content_not_taken", reason=str(result.error))
            elif result.changed:
                _log.info("content_changed", version=result.version)

    def _tell_once(self, reason: str) -> None:
        """Tell a new trouble, and its end; not the same again and again: an idle device writes nothing."""
        if reason != self._told:
            self._told = reason
            self._tell(reason)

    def _run(self) -> None:
        while not self._stopping:
            self._asked_wait = 0.0
            self.look()
            if self._asked_wait:  # a poke doesn't shorten what the server asked for
                threading.Event().wait(self._asked_wait * (1.0 + 0.4 * self._chance()))
            elif self._poked.wait(self._interval * (0.8 + 0.4 * self._chance())) and not self._stopping:
                threading.Event().wait(_POKE_SPREAD * self._chance())
            self._poked.clear()
