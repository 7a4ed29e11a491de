# SPDX-License-Identifier: EUPL-1.2
"""Gives Jinja templates the reader's language, the dates in it, safe content and icons."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import g

from edge_core import clock as clocks
from edge_core.web import dates, sizes
from edge_core.web.icons import icon
from edge_core.web.prose import prose, safe_link

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from flask import Flask
    from markupsafe import Markup

    from edge_core.i18n import Language


def install(app: Flask, now: Callable[[], float] = clocks.now) -> None:
    """Set up Jinja. The application puts the reader's `Language` in `flask.g.language` before a page is rendered.

    Templates have `_()`, `ngettext()`, `{% trans %}`; filters `content` (a text of a record), `prose` (its HTML),
    `day`, `full_day`, `leaf`, `clock` (of datetimes), `moment` (ISO 8601 to datetime), `local` (epoch to datetime),
    `duration` (of seconds), `size` (of bytes);
    functions `span`, `departure`, `icon`; the test `safe_link`; `language`.
    """
    env = app.jinja_env
    env.trim_blocks = env.lstrip_blocks = True
    env.add_extension("jinja2.ext.i18n")
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda message: language().gettext(message),
        lambda one, many, number: language().ngettext(one, many, number),
        newstyle=True,
    )
    env.globals["icon"] = icon
    env.globals["span"] = lambda start, end: dates.span(start, end, language(), _today(now))
    env.globals["departure"] = lambda at, minutes: dates.departure(at, minutes, language())
    env.filters["content"] = lambda value: language().text(value)
    env.filters["prose"] = _prose
    env.filters["moment"] = dates.parse
    env.filters["local"] = dates.here
    env.filters["day"] = lambda moment: dates.day(moment, language(), _today(now))
    env.filters["full_day"] = lambda moment: dates.full_day(moment, language())
    env.filters["leaf"] = lambda moment: dates.short_day(moment, language())
    env.filters["clock"] = lambda moment: dates.clock(moment, language())
    env.filters["duration"] = lambda seconds: dates.duration(seconds, language())
    env.filters["size"] = lambda count: sizes.size(count, language())
    env.tests["safe_link"] = lambda value: isinstance(value, str) and safe_link(value)
    app.context_processor(lambda: {"language": language()})


def language() -> Language:
    """Return the reader's language in this request."""
    return cast("Language", g.language)


def _today(now: Callable[[], float]) -> date:
    return dates.here(now()).date()


def _prose(value: object) -> Markup:
    return prose(language().text(value))
