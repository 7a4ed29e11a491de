# SPDX-License-Identifier: EUPL-1.2
"""Keeps what of a page is the same for everybody who reads a language, while the content and the minute last.

Parts of any page: today's news, tiles and links. And, where a crowd joins at once, whole pages but for a few words that
are a guest's own, such as the form's token: those have a hole each, filled for each guest.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import current_app, g, render_template, request
from markupsafe import Markup, escape

from captive_portal import languages, visit
from edge_core import legal
from edge_core.web.templating import language

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from flask import Flask

KEY = "shared_parts"
_MINUTE = 60
_MOST = 200  # of a moment: durations make many versions of a page
_NONCE = secrets.token_hex(8)  # nobody writes it into content, or asks for it
_HOLE = re.compile(rf"{_NONCE}-(\w+);")
_Moment = tuple[object, ...]


@dataclass
class _Parts:
    """What was made in one moment, by what tells it apart; threads share it, and all goes when the moment is over."""

    moment: _Moment = ()
    made: dict[Hashable, Markup] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, make: Callable[[], str]) -> Markup:
        moment = _moment()
        with self.lock:
            if self.moment != moment:
                self.moment, self.made = moment, {}
            made = self.made
        if (kept := made.get(key)) is None:
            kept = Markup(make())  # noqa: S704  what a template of ours made, escaped already
            if len(made) < _MOST:
                made[key] = kept
        return kept


def install(app: Flask) -> None:
    """Give templates `{% call shared("name") %}…{% endcall %}`, whose inside depends on nobody and on no address."""
    parts = app.extensions[KEY] = _Parts()

    def shared(name: str, caller: Callable[[], str]) -> Markup:
        return parts.get((name, language().code), caller)

    app.jinja_env.globals["shared"] = shared


def page(template: str, same: Hashable, own: Mapping[str, str], **context: object) -> str:
    """Return a page in which nothing but the words `own` is a guest's, and `same` tells all the rest of it apart.

    The template has each of `own` by its name, to print or to ask whether there is any.
    """
    parts: _Parts = current_app.extensions[KEY]
    words = {**own, "query": languages.query()}
    filled = tuple(bool(word) for word in words.values())

    def make() -> str:
        holes = {name: f"{_NONCE}-{name};" if word else "" for name, word in words.items()}
        g.query = holes["query"]
        try:
            return render_template(template, **context, **holes)
        finally:
            del g.query

    house = visit.house()
    around = visit.cut_since(), legal.is_wanted(house.settings, house.now())  # what a whole page says beside its view
    made = parts.get((template, language().code, request.path, around, same, filled), make)
    return _HOLE.sub(lambda hole: str(escape(words[hole[1]])), made)


def _moment() -> _Moment:
    held = visit.held()
    return held.version, held.applied_at, int(visit.house().now() // _MINUTE)
