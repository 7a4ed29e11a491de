# SPDX-License-Identifier: EUPL-1.2
"""The pages, by the application itself over real SQLite."""

import re
from html.parser import HTMLParser

import pytest

from edge_core.i18n import NAMES
from kiosk.app import create_app
from sync.downlink import content_db

PAGES = [
    "",
    "start",
    "find",
    "find?q=ard",
    "company/exemple-ardoise",
    "company/oeuvre",
    "plan",
    "plan/rez?place=bureau-1",
    "plan/etage",
    "events",
    "event/cafe",
    "news",
    "news/wifi",
    "transport",
    "services",
    "service/salle-galet",
    "service/message",
    "help",
    "page/about",
]


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_served_in_every_language(client, page, language):
    """A page says its language, and stays under 100 KB."""
    answer = client.get(f"/{language}/{page}")
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    assert len(answer.data) < 100_000


@pytest.mark.parametrize("page", ["/", *(f"/fr-clr/{page}" for page in PAGES)])
def test_no_page_leads_out_runs_inline_or_stays_in_a_cache(client, page):
    """No link or resource of another origin, no inline script, style or handler, `no-store`, a strict policy."""
    answer = client.get(page)
    found = _Attributes()
    found.feed(answer.text)
    assert not found.inline
    assert all(target.startswith(("/", "#")) and not target.startswith("//") for target in found.targets)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_every_link_of_every_page_leads_to_a_page(client):
    """Nobody meets an error by touching what is on the screen."""
    seen, waiting = set(), ["/", "/en-l/"]
    while waiting:
        address = waiting.pop()
        found = _Attributes()
        found.feed(client.get(address).text)
        fresh = {target for target in found.links if target not in seen and target.startswith(("/fr/", "/en-l/", "/-"))}
        assert {client.get(target).status_code for target in fresh} <= {200}
        seen |= fresh
        waiting += [target for target in fresh if not target.startswith("/-")]
    assert len(seen) > 50


def test_a_wish_stays_from_page_to_page(client):
    """All links of a page keep its view, but for those that change it."""
    found = _Attributes()
    found.feed(client.get("/es-l/services").text)
    inside = [target for target in found.links if re.match(r"/[a-z]{2}(-[a-z]+)?/", target)]
    assert sum(target.startswith("/es-l/") for target in inside) >= len(inside) - 4  # the switches
    assert "/es-cl/services" in inside


def test_the_switches_keep_the_question(client):
    """Turning contrast on does not lose what was searched."""
    assert "/fr-c/find?q=ardoise" in client.get("/fr/find?q=ardoise").text


def test_search_forgives_and_finds_places_too(client):
    """Accents, ligatures, acronyms, former names and beginnings of words are enough."""
    for asked, expected in {"oeuv": "Œuvre", "tuiles": "Ardoise", "ea": "Ardoise", "bure": "bureau-1"}.items():
        assert expected in client.get(f"/fr/find/answers?q={asked}").text, asked


def test_a_search_shows_what_was_asked_as_text(client):
    """A question is never markup."""
    answer = client.get("/fr/find", query_string={"q": "<script>alert(1)</script>"})
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_the_list_of_companies_turns_its_pages(client):
    """Forty at a time, with the way on and back; any `from` is safe."""
    assert "from=40" in client.get("/fr/find").text
    assert "Société Fictive 44" in client.get("/fr/find?from=40").text
    for bad in ("-5", "x", "9" * 40, "40.5"):
        assert client.get(f"/fr/find?from={bad}").status_code == 200


def test_the_place_of_a_company_is_marked_on_its_floor(client, sample):
    """The company's page shows its floor with a pin where its room is, and where this kiosk stands."""
    page = client.get("/fr/company/exemple-ardoise").text
    assert 'class="pin" transform="translate(100 80)' in page
    assert 'class="here"' in page
    assert f"/-/plan.{sample['DIGEST']}.svg" in page


def test_a_drawing_is_served_as_an_image_that_can_do_nothing(client, sample, settings):
    """Only a plan's drawing is served, in a sandbox; any other blob isn't."""
    answer = client.get(f"/-/plan.{sample['DIGEST']}.svg")
    assert answer.mimetype == "image/svg+xml"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    (settings.blobs_dir / ("a" * 64)).write_text("secret", encoding="utf-8")
    for other in ("a" * 64, "../parvis.toml", "%2e%2e%2fparvis.toml", "x"):
        assert client.get(f"/-/plan.{other}.svg").status_code == 404


def test_a_text_without_translation_says_its_language(client):
    """A French text on a Spanish page is marked as French (WCAG 2.2, 3.1.2)."""
    assert '<span lang="fr">Logiciels pour les couvreurs</span>' in client.get("/es/company/exemple-ardoise").text


def test_the_web_is_shown_as_words_and_code(client):
    """A company's site is an address to take away, not a link."""
    page = client.get("/fr/company/exemple-ardoise").text
    assert "ardoise.example" in page
    assert '<svg aria-hidden="true" focusable="false"' in page
    assert 'href="https://' not in page


def test_new_content_is_seen_without_a_restart(client, settings, sample, now):
    """A new version is on the next page, and the heartbeat tells it."""
    assert client.post("/fr/heartbeat").json["content"] == 1
    changed = sample["content"](now)
    changed["news"][0]["title"] = {"fr": "Un titre tout neuf"}
    content_db.load(settings.content_db, changed, 2, now)
    assert "Un titre tout neuf" in client.get("/fr/news").text
    assert client.post("/fr/heartbeat").json["content"] == 2


class _Attributes(HTMLParser):
    """Collects where a page leads, what it loads, and what is inline in it."""

    def __init__(self):
        super().__init__()
        self.targets, self.links, self.inline = [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        addresses = [given[name] for name in ("href", "src", "action") if given.get(name)]
        self.targets += addresses
        self.links += addresses if tag in {"a", "image", "script", "link"} else []
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []


@pytest.mark.parametrize("path", ["find", "visit", "plan", "services", "events", "news", "transport"])
def test_an_empty_page_says_so_and_promises_nothing(settings, now, path):
    """A park whose content has only just begun: each page says what isn't there yet; no tile counts nothing."""
    content_db.load(settings.content_db, {"park": [{"id": "park", "name": "Parc"}]}, 2, now)
    client = create_app(settings).test_client()
    assert client.get(f"/fr/{path}").text.count('<p class="nothing">') == 1
    assert ">0 " not in client.get("/fr/").text
