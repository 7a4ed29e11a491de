# SPDX-License-Identifier: EUPL-1.2
"""Keeps the parts of pages that are the same for everybody who reads a language, while the content and the minute last.

The welcome page is a guest's own, for its form, and can't be kept whole; most of it is today's news, tiles and links.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from captive_portal import visit
from edge_core.web.templating import language

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

_MINUTE = 60
_Moment = tuple[object, ...]


@dataclass
class _Parts:
    """The parts of one moment by name and language; threads share them, and all go when the moment is over."""

    moment: _Moment = ()
    made: dict[tuple[str, str], Markup] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, moment: _Moment, key: tuple[str, str], make: Callable[[], str]) -> Markup:
        with self.lock:
            if self.moment != moment:
                self.moment, self.made = moment, {}
            made = self.made
        if key not in made:
            made[key] = Markup(make())  # noqa: S704  what a template of ours made, escaped already
        return made[key]


def install(app: Flask) -> None:
    """Give templates `{% call shared("name") %}…{% endcall %}`, whose inside depends on nobody and on no address."""
    parts = _Parts()

    def shared(name: str, caller: Callable[[], str]) -> Markup:
        house = visit.house()
        held = visit.held()
        moment = (held.version, held.applied_at, int(house.now() // _MINUTE))
        return parts.get(moment, (name, language().code), caller)

    app.jinja_env.globals["shared"] = shared
