# SPDX-License-Identifier: EUPL-1.2
"""What everybody reads before accepting: search, the way, the uplink; and how those pages are kept."""

import json
import re

import pytest

from captive_portal import caching
from sync.downlink import content_db


@pytest.mark.parametrize("asked", ["ardoise", "ardoize", "Ardiose", "tuiles fictives", "exempleardoise", "devis"])
def test_a_company_is_found_as_people_type(phone, asked):
    """By name, former name and activity, with a slip of the finger, by form and at each letter alike."""
    for path in ("companies", "companies/answers"):
        page = phone.get(f"/fr/{path}", query_string={"q": asked}).text
        assert "Exemple Ardoise SARL" in page
        assert "Pixel Imaginaire" not in page


def test_an_acronym_that_nobody_wrote_down(phone):
    """The initials of a name find it, small words left out: Atelier de l’Œuvre Modèle."""
    assert "Œuvre Modèle" in phone.get("/fr/companies?q=aom").text


def test_pages_and_searches_are_counted_of_ten_and_more(app, visiting, clock):
    """By content id, and by words that ten devices asked for; nothing of the others is written anywhere."""
    readers = [visiting(app, address=f"10.77.16.{30 + number}") for number in range(12)]
    readers[0].get("/fr/")
    for reader in readers:
        reader.get("/fr/companies?q=Pixel")
        reader.get("/fr/companies/pixel-imaginaire")
    for reader in readers[:9]:
        reader.get("/fr/companies?q=secretissime")
        reader.get("/fr/companies/galet-fictif")
    clock.now += 300
    readers[0].get("/fr/")
    rows = app.extensions["parvis"].edge().execute("SELECT body FROM outbox WHERE class = 'usage'").fetchall()
    told = {body["type"]: body["data"] for body in (json.loads(row[0]) for row in rows)}
    assert told["eu.parvis.usage.pages.v1"]["pages"] == [
        {"collection": "companies", "id": "pixel-imaginaire", "askers": 10}
    ]
    searches = told["eu.parvis.usage.searches.v1"]
    assert (searches["asked"], searches["words"]) == (20, [{"text": "pixel", "askers": 10}])
    assert "secretissime" not in str(told)


def test_one_device_with_many_addresses_is_one_asker(app, visiting, neighbours, clock):
    """Ten addresses of one phone make no group of ten: its words, whoever they name, die with the window."""
    visiting(app).get("/fr/")
    for number in range(10):
        address = f"fd00:77::{number + 256:x}"
        neighbours[address] = "02:11:22:33:44:55"
        visiting(app, address).get("/fr/companies?q=pixel")
    clock.now += 300
    visiting(app).get("/fr/")
    (row,) = app.extensions["parvis"].edge().execute("SELECT body FROM outbox WHERE class = 'usage'").fetchall()
    assert json.loads(row[0])["data"]["words"] == []


def test_more_than_is_shown_is_said(phone, settings, clock):
    """A count is never of what fits: at a letter twelve of thirty, by form twenty-four, and of twelve all."""
    content_db.load(settings.content_db, {"companies": [_numbered(number) for number in range(30)]}, 8, clock.now)
    letter, form = phone.get("/fr/companies/answers?q=galet").text, phone.get("/fr/companies?q=galet").text
    assert (letter.count("<li>"), "Plus de 12 entreprises pour «\xa0galet\xa0»" in letter) == (12, True)
    assert "Plus de 24 entreprises pour «\xa0galet\xa0»" in form
    content_db.load(settings.content_db, {"companies": [_numbered(number) for number in range(12)]}, 9, clock.now)
    assert "12 entreprises pour «\xa0galet\xa0»" in phone.get("/fr/companies/answers?q=galet").text
    assert "Plus de" not in phone.get("/fr/companies/answers?q=galet").text


def _numbered(number):
    return {"id": f"galet-{number}", "name": f"Galet fictif {number}", "activity": {"fr": "Exemple"}}


def test_the_answers_alone_are_no_page(phone):
    """What the script asks for at each letter is a list, with nothing around it."""
    answer = phone.get("/fr/companies/answers?q=pix")
    assert "<html" not in answer.text
    assert len(answer.data) < 2000
    script = re.search(r'<script src="(/-/search\.[0-9a-f]{12}\.js)" defer>', phone.get("/fr/companies").text)
    assert "immutable" in phone.get(script[1]).headers["Cache-Control"]
    assert phone.get("/-/nothing.0.js").status_code == 404


def test_a_company_tells_its_own(phone):
    """Its page has its news and its events, and not those of others."""
    assert "La fibre passe" in phone.get("/fr/companies/galet-fictif").text
    page = phone.get("/fr/companies/pixel-imaginaire").text
    assert "rendre son site accessible" in page
    assert "La fibre passe" not in page


def test_the_way_is_drawn_and_told(phone):
    """From the entrance to the company's door: a line on the plan, and the same in words."""
    page = phone.get("/fr/companies/exemple-ardoise").text
    link = re.search(r'href="(/fr/plan/rez-de-chaussee\?place=bureau-010)#here">[^<]*<svg.*?Me montrer le chemin', page)
    shown = phone.get(link[1]).text
    assert '<polyline class="way" points="600,620 480,280 175,120"/>' in shown
    assert "départ Entrée, arrivée Bureau 010" in shown


def test_the_way_over_the_stairs(phone):
    """Each floor is a step of its own, with a way without stairs asked for; where none leads, none is drawn."""
    page = phone.get("/fr/plan/etage-1?place=palier").text
    assert "départ Entrée, arrivée Escalier, puis l’escalier" in page
    assert "step-free=1" in page
    assert "polyline" not in phone.get("/fr/plan/etage-1?place=palier&step-free=1").text
    assert phone.get("/fr/plan/rez-de-chaussee?place=nowhere&from=%00&step-free=x").status_code == 200


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"up": false, "since": 1905573600}', True),
        ('{"up": true, "since": 1905573600}', False),
        ('{"up": "no", "since": 1905573600}', False),
        ('{"up": false, "since": 1e300}', False),
        ("[]", False),
        ("", False),
    ],
)
def test_a_cut_uplink_is_said(phone, settings, told, said):
    """Whoever watches the uplink writes one file; a page says since when it is cut, and who to call."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    (settings.run_dir / "uplink.json").write_text(told)
    for path in ("/fr/", "/fr/transport"):
        assert ("est coupé depuis 08:00" in phone.get(path).text) is said


def test_pages_that_are_the_same_for_all_are_kept(phone, app, settings, clock):
    """A second reader gets the same bytes without rendering; new content, another hour or language is another page."""
    first = phone.get("/fr/news/velos")
    assert first.headers["X-Accel-Expires"] == "5"
    assert first.headers["Cache-Control"] == "no-cache"
    again = phone.get("/fr/news/velos", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert "X-Accel-Expires" not in again.headers
    assert phone.get("/en/news/velos").headers["ETag"] != first.headers["ETag"]
    content_db.load(
        settings.content_db, {"news": [{"id": "velos", "title": {"fr": "Autre"}, "published": "2030-01-01"}]}, 8, 1.0
    )
    changed = phone.get("/fr/news/velos", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "Autre" in changed.text


def test_what_is_kept_says_nothing_of_anybody(app, visiting):
    """Two devices, one of them online, get the same bytes of each page that is kept: no token, no state."""
    one, other = visiting(app), visiting(app, "10.77.16.21")
    token = re.search(r'name="token" value="([\w-]+)"', one.get("/fr/").text)[1]
    one.post("/accept", data={"token": token})
    paths = [
        "news",
        "news/velos",
        "events",
        "events/atelier",
        "companies",
        "companies/answers?q=a",
        "plan",
        "transport",
    ]
    for path in [*paths, "companies/pixel-imaginaire", "pages/terms", "services", "plan/etage-1?place=palier"]:
        shown = one.get(f"/fr/{path}")
        assert shown.headers["X-Accel-Expires"], path
        assert "token" not in shown.text
        app_shelf_hit = other.get(f"/fr/{path}")
        assert app_shelf_hit.data == shown.data
    for path in ("", "services/salle-galet", "events/atelier/seat", "survey/accueil", "status"):
        assert one.get(f"/fr/{path}").headers["Cache-Control"] == "no-store", path


def test_a_kept_page_is_never_given_to_who_asked_for_another_site(app, visiting):
    """A foreign Host with the path of a kept page is led to the portal, as before."""
    visiting(app).get("/fr/news")
    answer = visiting(app, host="news.example").get("/fr/news")
    assert answer.status_code == 302


def test_the_shelf_is_bounded():
    """However many addresses are asked for, memory isn't theirs."""
    shelf = caching._Shelf()
    for number in range(1000):
        shelf.put(str(number), b"x", {})
    assert len(shelf.pages) == caching._MOST_PAGES
    assert shelf.get("999") is not None
    assert shelf.get("0") is None
    for number in range(1000):
        shelf.put(str(number % 300), bytes(caching._LARGEST), {})
    held = sum(len(body) for body, _ in shelf.pages.values())
    assert held == shelf.size
    assert caching._MOST_BYTES - caching._LARGEST < held <= caching._MOST_BYTES


@pytest.mark.parametrize("host", ["a b<>", "[::1", "x" * 64 + ".example", "a:99999", "\xff", "x" * 5000, ""])
@pytest.mark.parametrize("mode", ["app", "open_app"])
def test_a_host_that_is_none(request, visiting, host, mode):
    """With and without enforcement: led to the portal or a page of ours, never a failure, never led back to nowhere."""
    app = request.getfixturevalue(mode)
    for path in ("/", "/fr/news", "/nothing", "/generate_204"):
        answer = visiting(app, host=host).get(path)
        assert answer.status_code in {200, 302, 400, 404}
        assert "invalid" not in answer.headers.get("Location", "").replace("//invalid/", "")


@pytest.mark.parametrize("origin", ["http://[::1", "http://]", "null\x00", "://", "http://" + "x" * 9000])
def test_an_origin_that_is_none_is_refused(phone, origin):
    """A form with an Origin that can't be read comes from elsewhere."""
    form = dict(re.findall(r'name="(token|once)" value="([\w-]+)"', phone.get("/fr/services/message").text))
    answer = phone.post("/fr/services/message", data=form | {"message": "Bonjour"}, headers={"Origin": origin})
    assert answer.status_code == 403


def test_what_recurs_is_one_line(phone, settings):
    """A list shows the next time and how many follow; its page lists the other dates."""
    days = [
        {
            "id": f"cafe-{day}",
            "series": "cafe",
            "title": {"fr": "Café"},
            "start": f"2030-05-{day}T12:00:00+02:00",
            "end": f"2030-05-{day}T13:00:00+02:00",
        }
        for day in (21, 22, 23, 24)
    ]
    content_db.load(settings.content_db, {"events": days}, 9, 1.0)
    page = phone.get("/fr/events").text
    assert page.count('class="row"') == 1
    assert "et 3 autres fois" in page
    assert phone.get("/fr/events/cafe-21").text.count('class="row"') == 3
