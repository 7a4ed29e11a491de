# SPDX-License-Identifier: EUPL-1.2
"""What portal and kiosk pages share."""

from datetime import date, datetime
from pathlib import Path

import pytest

from edge_core import i18n
from edge_core.web import dates, drawing, icons, stylesheet
from edge_core.web.prose import prose, safe_link

WEB = Path(i18n.__file__).parent / "web"
TODAY = date(2030, 5, 21)


@pytest.fixture(scope="module")
def languages():
    return i18n.load(WEB / "locales")


@pytest.mark.parametrize(
    ("code", "today", "later"),
    [
        ("fr", "aujourd’hui", "jeudi 23 mai"),
        ("en", "today", "Thursday 23 May"),
        ("es", "hoy", "jueves 23 de mayo"),
        ("oc", "uei", "dijòus 23 de mai"),
    ],
)
def test_days_are_written_as_each_language_writes_them(languages, code, today, later):
    """Near days have their word, others their name; another year is told."""
    language = languages[code]
    assert dates.day(TODAY, language, TODAY) == today
    assert dates.day(date(2030, 5, 23), language, TODAY).replace("de mai", "de mai") == later
    assert dates.day(date(2031, 5, 23), language, TODAY).endswith("2031")


def test_spans_and_durations(languages):
    """An event says its hours, its days, or its whole days; a duration is rounded down."""
    french = languages["fr"]
    start = datetime(2030, 5, 21, 12, tzinfo=dates.ZONE)
    assert dates.span(start, start.replace(hour=14), french, TODAY) == "aujourd’hui, 12:00\u00a0\N{EN DASH} 14:00"
    assert dates.span(start, None, french, TODAY) == "aujourd’hui, 12:00"
    whole = start.replace(hour=0)
    assert dates.span(whole, whole.replace(day=23), french, TODAY) == "aujourd’hui\u00a0\N{EN DASH} demain"
    assert dates.duration(14399, french) == "3\u00a0h 59\u00a0min"
    assert dates.duration(59, french) == "moins d’une minute"
    assert dates.duration(-5, french) == "moins d’une minute"
    assert dates.departure(start, 7, french) == "dans 7 min"
    assert dates.departure(start, 0, french) == "maintenant"
    assert dates.departure(start, 61, french) == "12:00"
    assert dates.hour("14:05", french) == "14:05"
    assert dates.hour("soon", french) == "soon"


def test_unreadable_moments_are_none():
    """A wrong date of the content never breaks a page."""
    assert dates.parse("tomorrow") is dates.parse(None) is dates.parse(5) is None
    assert dates.parse("2030-05-21T10:00:00Z").hour == 12


@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("<p>a<script>x()</script>b</p>", "<p>ab</p>"),
        ('<a href="javascript:x()">a</a>', "<a>a</a>"),
        (
            '<a href=" HTTPS://a.example/?a=1&b=2">a</a>',
            '<a href="HTTPS://a.example/?a=1&amp;b=2" rel="noopener">a</a>',
        ),
        ('<p style="x" onclick=x() class=y>a</p>', "<p>a</p>"),
        ("<ul><li>a<li>b", "<ul><li>a<li>b</li></li></ul>"),
        ("</p></ul>a", "a"),
        ("<p><em>a</p>b", "<p><em>a</em></p>b"),
        ("<svg><a href=x>y</a></svg>z", "z"),
        ("<scr<script></script>ipt>alert(1)", "ipt&gt;alert(1)"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("<!-- <p> --><h1>t</h1><br/>", "<h2>t</h2><br>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
    ],
)
def test_prose_keeps_words_and_drops_what_could_run(html, safe):
    """Only text elements and safe links get through, always closed."""
    assert prose(html) == safe


def test_links_of_the_content():
    """Only web, mail, telephone and our own pages are links."""
    assert all(safe_link(link) for link in ("https://a.example", "mailto:a@b.example", "tel:+33", "/fr/", "#x"))
    assert not any(
        safe_link(link) for link in ("//a.example", "javascript:x", "data:x", "/\\a.example", "java\nscript:", "")
    )


def test_a_plan_is_drawn_without_what_could_run():
    """Shapes and words stay, scripts, styles, handlers and foreign references go, places are marked."""
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10"
    onload="x()">
    <script>x()</script><style>*{}</style><rect id="r" class="place" width="5" onclick="x()" style="x"
    fill="url(http://e)"/>
    <a xlink:href="javascript:x()"><text>a&lt;b</text></a><use xlink:href="#r"/><image href="http://e/x.png"/>
    <g fill="url(#g)"><text>hall</text></g></svg>"""
    drawn = str(drawing.plan(svg, 'A "plan"', [{"id": "r", "label": "R&D", "x": 1, "y": "2"}, {"id": "bad"}], "r"))
    for bad in ("script", "style", "onload", "onclick", "http://e", "image", "javascript"):
        assert bad not in drawn
    for good in ('<rect id="r" class="place chosen" width="5">', "hall", '<use href="#r">', "url(#g)", "marker-pin"):
        assert good in drawn
    assert 'aria-label="A &#34;plan&#34;"' in drawn


@pytest.mark.parametrize(
    "svg",
    [
        b"",
        b"not xml",
        b"<html/>",
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>',
        "<svg/>".encode("utf-16"),
        b"<svg>" + b" " * 500_000 + b"</svg>",
    ],
)
def test_a_file_that_is_no_plan_is_not_drawn(svg):
    """Entities, other encodings, other documents and giants are refused: the page lists the places in words."""
    assert drawing.plan(svg, "x") is None


def test_colours_of_the_park_are_taken_only_where_letters_stay_readable():
    """An accent too pale for white letters, or anything but a colour, is passed over."""
    assert stylesheet.brand({"accent": "#0b6e63", "accent_dark": "#6fd6c6"}) == (
        ":root{--accent:#0b6e63}@media(prefers-color-scheme:dark){:root{--accent:#6fd6c6}}"
    )
    assert stylesheet.brand({"accent": "#ffee00", "accent_dark": "#101010"}) == ""
    assert stylesheet.brand({"accent": "red}body{", "accent_dark": 4}) == stylesheet.brand(None) == ""


def test_an_icon_is_hidden_or_named():
    """Decoration is silent, a labelled icon has a name; an unknown one is still an icon."""
    assert 'aria-hidden="true"' in icons.icon("wifi")
    assert 'aria-label="A &lt;b&gt;"' in icons.icon("nope", "A <b>")


def test_a_way_is_drawn_twice_and_holds_numbers_only():
    """A broad line under its own, so that it shows on any drawing; corners are numbers whatever the content says."""
    lines = str(drawing.way([[(0, 0), (10.5, 20)], []]))
    assert lines.count('points="0,0 10.5,20"') == 2
    assert drawing.way([]) == ""
