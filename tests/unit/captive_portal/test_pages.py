# SPDX-License-Identifier: EUPL-1.2
"""The local pages: what they show, in which language, and that bad input gets a clear page."""

import gzip
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captive_portal import visit
from edge_core.store import outbox, requests

PATHS = [
    "", "news", "news/velos", "events", "events/marche", "companies", "companies?q=SFG", "companies/exemple-ardoise",
    "companies/oeuvre-modele", "plan", "plan/rez-de-chaussee?place=bureau-010", "plan/etage-1", "transport", "services",
    "way", "services/salle-galet", "services/velo", "services/message", "pages/terms", "pages/privacy", "pages/about",
    "pages/contacts", "status",
]  # fmt: skip


@pytest.mark.parametrize("code", ["fr", "en", "es", "oc"])
@pytest.mark.parametrize("path", PATHS)
def test_every_page_opens_in_every_language_before_accepting(phone, code, path):
    """A page says its language, has one h1, and neither script, inline style nor anything from elsewhere."""
    answer = phone.get(f"/{code}/{path}")
    assert answer.status_code == 200
    assert f'<html lang="{code}">' in answer.text
    assert answer.text.count("<h1") == 1
    assert not re.search(r"<script(?! src=./-/)|<style| style=| on\w+=|javascript:|(?<!<script )src=", answer.text)
    links = re.findall(r'<link[^>]+href="([^"]+)"', answer.text)
    assert all(link.startswith("/") for link in links)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


def test_welcome_is_small(phone):
    """Everything that the first page needs is at most 30 KB and 3 requests."""
    page = phone.get("/", headers={"Accept-Encoding": "gzip"})
    text = gzip.decompress(page.data).decode()
    needed = re.findall(r'<link[^>]+href="([^"]+)"', text)
    assert len(needed) + 1 <= 3
    parts = [phone.get(link, headers={"Accept-Encoding": "gzip"}) for link in needed]
    assert all(part.status_code == 200 for part in parts)
    assert sum(len(part.data) for part in (page, *parts)) <= 30_000


def test_style_is_kept_for_ever_under_its_digest_only(phone):
    """The linked style sheet never has to be asked for again; an old link still works, but isn't kept."""
    link = re.search(r'href="(/-/style[^"]+)"', phone.get("/fr/").text).group(1)
    current = phone.get(link)
    assert "immutable" in current.headers["Cache-Control"]
    assert "--accent:#0b6e63" in current.text
    assert phone.get("/-/style.000000000000.css").headers["Cache-Control"] == "no-cache"


def test_language_comes_from_the_browser_then_from_the_path(app, phone, visiting):
    """Accept-Language chooses the first page; each page links to itself in the other languages."""
    assert '<html lang="en">' in visiting(app, accept_language="en-GB,en").get("/").text
    assert '<html lang="fr">' in visiting(app, accept_language="").get("/").text
    assert '<html lang="oc">' in visiting(app, accept_language="en").get("/oc/").text
    page = phone.get("/fr/companies?q=galet").text
    assert 'href="/es/companies?q=galet"' in page
    answer = visiting(app, accept_language="es").get("/events")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/es/events")


def test_welcome_tells_what_is_on_today(phone):
    """Events and news of the day stand on the first page with the one button."""
    page = phone.get("/fr/").text
    assert "Marché des producteurs" in page
    assert "aujourd’hui, 12:00" in page
    assert "Douze vélos" in page
    assert page.count("<button") == 1
    assert "Gratuit pendant 4\u00a0h" in page


def test_content_can_run_nothing(phone):
    """Scripts, handlers and script links of the content don't reach a page; its words and safe links do."""
    terms = phone.get("/fr/pages/terms").text
    assert "alert" not in terms
    assert "<h2>Ce que nous offrons</h2>" in terms
    news = phone.get("/fr/news/velos").text
    assert '<a href="/fr/services" rel="noopener">accueil</a>' in news
    assert "onerror" not in news
    assert "javascript" not in phone.get("/fr/companies/oeuvre-modele").text


def test_companies_are_found_by_accents_acronym_and_former_name(phone):
    """œ, an acronym and a former name all find their company; nothing found is said."""
    for asked, name in [("oeuvre", "Œuvre Modèle"), ("sfg", "Galet"), ("tuiles", "Ardoise"), ("LOGICIEL", "Ardoise")]:
        assert name in phone.get("/fr/companies", query_string={"q": asked}).text, asked
    assert "Aucune entreprise" in phone.get("/fr/companies?q=zzzzqq").text
    assert (
        phone.get("/fr/companies?page=-5").status_code == phone.get("/fr/companies?page=99999999999").status_code == 200
    )


def test_a_company_is_shown_on_the_plan(phone):
    """The plan is drawn in the page, the room is marked, and its company is named beside it."""
    assert 'href="/fr/plan/rez-de-chaussee?place=bureau-010#here"' in phone.get("/fr/companies/exemple-ardoise").text
    page = phone.get("/fr/plan/rez-de-chaussee?place=bureau-010").text
    assert '<svg class="plan" viewBox="0 0 1200 760"' in page
    assert 'class="marker-pin"' in page
    assert 'class="place office chosen"' in page
    assert "Bureau 010 · Exemple Ardoise SARL" in page


def test_departures_are_told_from_now(phone):
    """A departure within the hour is told in minutes, a later one by the clock."""
    page = phone.get("/fr/transport").text
    assert "dans 7 min" in page
    assert "12:40" in page


def test_an_event_can_be_kept(phone):
    """An event is an iCalendar file with escaped texts, folded lines and times in UTC."""
    answer = phone.get("/fr/events/portes-ouvertes.ics")
    assert answer.mimetype == "text/calendar"
    assert 'filename="portes-ouvertes.ics"' in answer.headers["Content-Disposition"]
    lines = answer.data.decode().split("\r\n")
    assert "DTSTART:20300607T220000Z" in lines
    assert r"SUMMARY:Portes ouvertes\, des entreprises du parc\; tout public" in lines
    assert all(len(line.encode()) <= 75 for line in lines)
    assert phone.get("/fr/events/nothing.ics").status_code == 404


def _token(phone, path):
    return re.search(r'name="token" value="([\w-]+)"', phone.get(path).text).group(1)


def test_a_service_is_asked_for_and_followed(app, phone, clock):
    """A sound form records one request with its event; its page shows where it stands, and nothing personal."""
    form = {
        "token": _token(phone, "/fr/services/velo"),
        "date": "2030-05-23",
        "email": "someone@mail.example",
        "x": "y",
    }
    answer = phone.post("/fr/services/velo", data=form)
    assert answer.status_code == 302
    page = phone.get(answer.headers["Location"]).text
    assert "Provisoire" in page
    assert "someone@mail.example" not in page
    key = answer.headers["Location"].rsplit("/", 1)[1]
    with app.app_context():
        edge = visit.house().edge()
        made = requests.get(edge, key)
        assert made.data == {"date": "2030-05-23", "email": "someone@mail.example"}
        assert outbox.account(edge).pending == 1
        edge.execute("BEGIN")
        requests.apply_reply(edge, request=key, state="accepted", reason=None, reference="V-12", now=clock.now)
        edge.execute("COMMIT")
    page = phone.get(answer.headers["Location"]).text
    assert "Accepté" in page
    assert "V-12" in page
    assert phone.get("/fr/requests/01a00000-0000-7000-8000-000000000000").status_code == 404
    assert phone.get("/fr/requests/'--").status_code == 404


def test_a_wrong_form_comes_back_with_what_is_wrong(app, phone):
    """Each wrong answer is named at its field, the right ones are kept, and nothing is recorded."""
    token = _token(phone, "/fr/services/salle-galet")
    form = {"token": token, "date": "2020-01-01", "time": "25:00", "people": "900", "comment": "<b>merci</b>"}
    answer = phone.post("/fr/services/salle-galet", data=form)
    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 3
    assert "&lt;b&gt;merci&lt;/b&gt;" in answer.text
    with app.app_context():
        assert outbox.account(visit.house().edge()).pending == 0
    assert phone.post("/fr/services/salle-galet", data={"date": "2030-05-23"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fr/nope", 404),
        ("/xx/", 404),
        ("/fr/news/none", 404),
        ("/fr/plan/none", 404),
        ("/fr/pages/none", 404),
        ("/fr/" + "x" * 2000, 414),
        ("/fr/%ff%fe", 404),
        ("/%00", 404),
        ("/..%2f..%2fetc/passwd", 404),
        ("/fr/companies?q=%ff%00%22*%20NEAR(", 200),
        ("/?to=http://evil.example&s=%ff", 200),
    ],
)
def test_bad_addresses_get_a_page_in_the_persons_language(app, visiting, path, status):
    """The right status and a whole page, in Spanish for whoever reads Spanish."""
    answer = visiting(app, accept_language="es").get(path)
    assert answer.status_code == status
    assert "<h1" in answer.text
    if not path.startswith("/fr"):
        assert '<html lang="es">' in answer.text


def test_a_form_too_large_and_a_wrong_method_are_explained(phone):
    """413 and 405 are pages too."""
    large = phone.post("/fr/accept", data={"token": "x" * 40_000})
    assert (large.status_code, "C’est trop long" in large.text) == (413, True)
    assert phone.put("/fr/").status_code == 405


_text = st.text(alphabet=st.characters(codec="latin-1"), max_size=80)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=_text,
    query=_text,
    language=_text,
    body=st.binary(max_size=200),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
)
def test_nothing_that_is_sent_makes_it_fail(app, path, query, language, body, method):
    """Whatever the bytes of a request are, the answer is no 5xx."""
    prefix = ("/fr/", "/", "/fr/companies/", "/fr/services/", "/fr/requests/", "/-/style.")[len(path) % 6]
    environ = {
        "REMOTE_ADDR": "10.77.16.20",
        "HTTP_HOST": "wifi.parc.example",
        "HTTP_ACCEPT_LANGUAGE": language,
        "PATH_INFO": prefix + path,
        "QUERY_STRING": query.replace("\r", "").replace("\n", ""),
    }
    types = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; charset=nope")
    answer = app.test_client().open(
        method=method, data=body, content_type=types[len(query) % 3], environ_overrides=environ
    )
    assert answer.status_code < 500


def test_a_form_sent_twice_is_one_request(app, phone):
    """A double tap, or a reload of the answer, asks once; going back to change an answer asks anew."""
    page = phone.get("/fr/services/salle-galet").text
    hidden = dict(re.findall(r'name="(token|once)" value="([\w-]+)"', page))
    answers = {"date": "2030-05-22", "time": "10:00", "people": "3"}
    first, second = (phone.post("/fr/services/salle-galet", data=hidden | answers) for _ in range(2))
    assert first.status_code == 302
    assert first.headers["Location"] == second.headers["Location"]
    changed = phone.post("/fr/services/salle-galet", data=hidden | answers | {"people": "4"})
    assert changed.headers["Location"] != first.headers["Location"]
    with app.app_context():
        edge = app.extensions["parvis"].edge()
        assert edge.execute("SELECT count(*) FROM requests").fetchone()[0] == 2
        assert edge.execute("SELECT count(*) FROM outbox WHERE class = 'order'").fetchone()[0] == 2


def test_what_is_kept_is_said_truly(app, phone):
    """No page speaks of a year's record: none is written."""
    for path in ("/fr/", "/en/", "/fr/pages/terms", "/fr/pages/privacy"):
        assert "tant qu’il est en ligne" in phone.get("/fr/").text
        assert not re.search(r"un an\b|one year", phone.get(path).text)
