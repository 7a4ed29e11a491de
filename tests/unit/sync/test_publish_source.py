# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: E501  the table of mistakes reads as a table
"""Reading a publisher's folder: what is right comes through, what is wrong is named with file, line and remedy."""

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from captive_portal import plans
from edge_core.store import ways
from sync.publish import source
from sync.publish.problems import SourceError

ROOT = Path(__file__).parents[3]
NOW = datetime.fromisoformat("2026-12-01T09:00:00+01:00").timestamp()


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(ROOT / "content" / "demo", tmp_path / "demo"))


def problems(folder):
    with pytest.raises(SourceError) as raised:
        source.read(folder, NOW)
    return [str(problem) for problem in raised.value.problems]


def edit(path, old, new):
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


@pytest.fixture(scope="module")
def demo():
    return source.read(ROOT / "content" / "demo", NOW)


def test_the_demo_is_published_whole(demo):
    """Every file of the demo gives records, and none is left aside."""
    counts = {name: len(records) for name, records in demo.collections.items()}
    assert counts["companies"] == 15
    assert (counts["park"], counts["pages"], counts["plans"], counts["stops"]) == (1, 4, 2, 5)
    assert counts["news"] == 5
    assert counts["services"] == 8
    assert counts["events"] > 60
    assert demo.notices == ()


@pytest.mark.parametrize(
    "name",
    [
        "park",
        "pages",
        "companies",
        "hosts",
        "events",
        "news",
        "services",
        "plans",
        "stops",
        "ads",
        "surveys",
        "access",
        "administrations",
        "weather",
    ],
)
def test_records_are_as_the_contract_says(demo, name):
    """Each record of the demo is valid by the JSON Schema of its collection."""
    schema = json.loads((ROOT / "contracts" / "content" / f"{name}.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    for record in demo.collections[name].values():
        validator.validate(record)


def test_everything_people_read_is_in_four_languages(demo):
    """Companies, services, pages and plans of the demo speak French, English, Spanish and Occitan."""
    for name in ("park", "companies", "hosts", "services", "pages", "plans", "events", "administrations"):
        for record in demo.collections[name].values():
            for field, value in record.items():
                if isinstance(value, dict) and "fr" in value:
                    assert set(value) == {"fr", "en", "es", "oc"}, (name, record["id"], field)


def test_there_is_something_every_day(demo):
    """The demo shows an event on each of the coming sixty days, weekends included."""
    days = {event["start"][:10] for event in demo.collections["events"].values()}
    first = datetime.fromisoformat("2026-12-01").toordinal()
    assert all(datetime.fromordinal(first + ahead).date().isoformat() in days for ahead in range(60))


def test_reading_twice_in_a_day_gives_the_same(demo):
    """What is published depends on the day only, so that publishing again changes nothing."""
    again = source.read(ROOT / "content" / "demo", NOW + 9 * 3600)
    assert again.collections == demo.collections
    assert again.blobs == demo.blobs


def test_recurrences_keep_the_wall_clock(demo):
    """A weekly event stays at its hour when the clocks change."""
    spring = datetime.fromisoformat("2027-03-20T12:00:00+01:00").timestamp()
    events = source.read(ROOT / "content" / "demo", spring).collections["events"]
    assert events["cafe-du-parvis-20270326"]["start"] == "2027-03-26T08:30:00+01:00"
    assert events["cafe-du-parvis-20270329"]["start"] == "2027-03-29T08:30:00+02:00"


def test_moved_and_cancelled_occurrences(folder):
    """EXDATE takes an occurrence away, RECURRENCE-ID moves one, STATUS:CANCELLED takes an event away."""
    (folder / "events" / "more.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
        "BEGIN:VEVENT\r\nUID:a@x\r\nSUMMARY:A\r\nDTSTART:20261201T100000Z\r\nRRULE:FREQ=DAILY;COUNT=4\r\n"
        "EXDATE:20261202T100000Z\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:a@x\r\nSUMMARY:A moved\r\nRECURRENCE-ID:20261203T100000Z\r\nDTSTART:20261203T150000Z\r\n"
        "END:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:b@x\r\nSUMMARY:B\r\nSTATUS:CANCELLED\r\nDTSTART:20261203T150000Z\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )
    events = source.read(folder, NOW).collections["events"]
    mine = {key: event["start"] for key, event in events.items() if key.startswith(("a-", "b"))}
    assert mine == {
        "a-20261201": "2026-12-01T11:00:00+01:00",
        "a-20261203": "2026-12-03T16:00:00+01:00",
        "a-20261204": "2026-12-04T11:00:00+01:00",
        **{key: start for key, start in mine.items() if key.startswith("balade")},
    }


def test_a_workbook_does_as_well_as_csv(folder):
    """Companies may come as XLSX: numbers in cells read as they are shown."""
    (folder / "companies.csv").unlink()
    edit(folder / "services.csv", "cafe-exemple", "park")
    edit(folder / "services.csv", "conciergerie-exemple", "park")
    book = openpyxl.Workbook()
    book.active.append(["id", "name", "activity_fr", "building"])
    book.active.append(["un", "Exemple Un", "Conseil", 7])
    book.save(folder / "companies.xlsx")
    assert source.read(folder, NOW).collections["companies"]["un"]["building"] == "7"
    book.active.append(["deux", "", "Conseil", None])
    book.save(folder / "companies.xlsx")
    assert problems(folder) == ['companies.xlsx, line 3: column "name" is empty. Fill it in.']


def test_semicolons_and_a_byte_order_mark_are_read(folder):
    """A table exported by a French spreadsheet is read as it comes."""
    (folder / "companies.csv").write_bytes(
        "\ufeffid;name;activity_fr\r\ncafe-exemple;Café, Exemple;Café\r\nconciergerie-exemple;C;C\r\n".encode()
    )
    assert source.read(folder, NOW).collections["companies"]["cafe-exemple"]["name"] == "Café, Exemple"


CASES = [
    ("companies.csv", "bonjour@ardoise.example", "bonjour", 'companies.csv, line 2: column "email" holds "bonjour" where an address such as accueil@parc.example is expected. Correct the cell.'),
    ("companies.csv", "galet-fictif,", "Galet Fictif,", 'companies.csv, line 3: column "id" holds "Galet Fictif" where small letters, digits and hyphens are expected. Write "galet-fictif" for instance.'),
    ("companies.csv", "galet-fictif,", "exemple-ardoise,", 'companies.csv, line 3: the id "exemple-ardoise" is already on line 2. Give it another id.'),
    ("companies.csv", "https://ardoise.example", "javascript:alert(1)", 'companies.csv, line 2: column "web" holds "javascript:alert(1)" where an address such as https://parc.example is expected. Correct the cell.'),
    ("companies.csv", "bureau-010", "bureau-099", 'companies.csv: exemple-ardoise is in the room "bureau-099". Add it to plan/places.csv, plan rez-de-chaussee.'),
    ("companies.csv", "etage-1,bureau-101", "etage-9,bureau-101", 'companies.csv: exemple-hetre is on the floor "etage-9". Plans are: rez-de-chaussee, etage-1.'),
    ("companies.csv", "former_names", "ancien_nom", 'companies.csv, line 1: the column "ancien_nom" is unknown. Known columns: id, name, activity_fr, acronym'),
    ("companies.csv", "id,name", "id,nom", 'companies.csv, line 1: the column "name" is missing. The first line names: id, name, activity_fr.'),
    ("companies.csv", '"Logiciels de devis', '"Logiciels" de devis', "companies.csv, line 2: it can't be read as CSV"),
    ("companies.csv", ",Tuiles Fictives,", ",", "companies.csv, line 2: it has 23 cells where 24 are expected."),
    ("services.csv", "room,park", "salon,park", 'services.csv, line 2: column "kind" holds "salon". Write one of: room, desk, lunch, bike, ad, message, other.'),
    ("services.csv", "lunch,cafe-exemple", "lunch,cafe-inconnu", 'services.csv: dejeuner is provided by "cafe-inconnu". Write a company\'s id, or "park".'),
    ("services.csv", "comment,8,", "comment,beaucoup,", 'services.csv, line 2: column "capacity" holds "beaucoup" where a number from 1 to 100000 is expected. Correct the cell.'),
    ("services.csv", "date|time|people", "date|heure|people", 'services.csv, line 2: column "fields" holds "heure". Write some of: date|time|people|comment.'),
    ("park.toml", 'name = "Parc Exemple"', 'name = "Parc Exemple', "park.toml, line 2: it is not TOML"),
    ("park.toml", 'name = "Parc Exemple"', 'nom = "Parc Exemple"', 'park.toml: the key "nom" is unknown.'),
    ("park.toml", '"#0b6e63"', '"vert"', 'park.toml: the colour "accent" is "vert". Write a colour such as #0b6e63.'),
    ("pages/terms.fr.md", "+++\n", "---\n", "pages/terms.fr.md, line 1: it has no front matter."),
    ("pages/terms.fr.md", 'title = "Cond', "title = Cond", "pages/terms.fr.md, line 2: its front matter is not TOML"),
    ("news/velos.fr.md", "published = 2026-11-09T08:00:00+01:00\n", "", "news/velos.fr.md, line 1: its front matter has no date."),
    ("news.rss", "</item>", "</itm>", "news.rss, line 15: it is not well-formed XML"),
    ("news.rss", "<pubDate>Mon, 16 Nov 2026 08:30:00 +0100</pubDate>", "<pubDate>lundi</pubDate>", "news.rss, line 9: item 1 has no readable date."),
    ("news.rss", '<rss version="2.0"', '<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0"', "news.rss: it declares entities"),
    ("events/park.ics", "BEGIN:VCALENDAR", "BEGIN:CALENDAR", "events/park.ics, line 1: it does not begin with BEGIN:VCALENDAR."),
    ("events/park.ics", "BEGIN:VEVENT", "BEGIN:VEVEN", "END:VEVENT closes no BEGIN:VEVENT."),
    ("events/park.ics", "END:VCALENDAR", "", "events/park.ics, line 1: BEGIN:VCALENDAR has no END:VCALENDAR."),
    ("events/park.ics", "SUMMARY:Café du parvis\r\n", "", "events/park.ics, line 22: an event (cafe-du-parvis@parc.example) has no SUMMARY. Add its SUMMARY line."),
    ("events/park.ics", "DTSTART;TZID=Europe/Paris:20260907T083000", "DTSTART;TZID=Europe/Paris:demain", "events/park.ics, line 22: "),
    ("events/park.ics", "DTEND;TZID=Europe/Paris:20260907T093000", "DTEND;TZID=Europe/Paris:20260906T093000", "events/park.ics, line 22: this event ends before it starts. Correct its DTEND."),
    ("events/park.ics", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "RRULE:FREQ=SECONDLY", "events/park.ics, line 22: this event recurs more than daily."),
    ("plan/rez-de-chaussee.svg", "</svg>", "", "plan/rez-de-chaussee.svg, line "),
    ("plan/rez-de-chaussee.svg", "  <style>", "  <script>alert(1)</script><style>", "plan/rez-de-chaussee.svg, line 3: it holds <script>. Export it as plain SVG, without scripts, images, fonts or links."),
    ("plan/rez-de-chaussee.svg", 'id="salle-pic"', 'id="salle-pic" onclick="x()"', 'it holds the attribute "onclick".'),
    ("plan/rez-de-chaussee.svg", "  <style>", '  <use href="https://x.example/a.svg#b"/><style>', "its attribute href points outside of it"),
    ("plan/rez-de-chaussee.svg", "fill: none;", "fill: url(https://x.example);", 'its style holds "url("'),
    ("plan/rez-de-chaussee.svg", "</title>", "<style/></title>", "its <title> holds other elements."),
    ("plan/rez-de-chaussee.svg", 'id="salle-pic"', 'id="salle-neuve"', 'plan/places.csv, line 7: no element of the drawing has the id "salle-pic". Give that id to its group in plan/rez-de-chaussee.svg.'),
    ("plan/rez-de-chaussee.svg", "<svg ", '<!DOCTYPE svg [<!ENTITY a "b">]><svg ', "plan/rez-de-chaussee.svg, line 1: it has a <!DOCTYPE … >."),
    ("plan/places.csv", "rez-de-chaussee,accueil", "sous-sol,accueil", 'plan/places.csv, line 2: the plan "sous-sol" is not in plans.csv.'),
    ("gtfs/trips.txt", "ligne-p,semaine,", "ligne-x,semaine,", 'gtfs/trips.txt, line 2: the route_id "ligne-x" is not defined.'),
    ("gtfs/stop_times.txt", "07:00:00,07:00:00", "7h,7h", 'gtfs/stop_times.txt, line 2: column "departure_time" holds "7h" where a time such as 07:30:00 is expected.'),
    ("gtfs/stop_times.txt", ",parvis,", ",parvi,", 'the stop "parvi" is not in stops.txt.'),
    ("gtfs/agency.txt", "Europe/Paris", "Europe/Exempleville", 'gtfs/agency.txt, line 2: the time zone "Europe/Exempleville" is unknown.'),
    ("gtfs/calendar.txt", "20260901", "2026-09-01", 'gtfs/calendar.txt, line 2: column "start_date" holds "2026-09-01"'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "said"), CASES, ids=[f"{case[0]}-{case[2][:24]}" for case in CASES])
def test_a_mistake_is_named_with_its_place_and_remedy(folder, name, old, new, said):
    """Whoever wrote the file learns which line to correct, what is expected there, and how."""
    edit(folder / name, old, new)
    assert any(said in found for found in problems(folder)), problems(folder)


def test_all_mistakes_are_told_at_once(folder):
    """Nobody corrects one mistake only to meet the next."""
    edit(folder / "companies.csv", "bonjour@ardoise.example", "x")
    edit(folder / "services.csv", "room,park", "salon,park")
    edit(folder / "pages" / "about.fr.md", "+++\n", "")
    found = problems(folder)
    assert len(found) >= 3
    assert {each.split(",")[0].split(":")[0] for each in found} >= {
        "companies.csv",
        "services.csv",
        "pages/about.fr.md",
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"celsius"', '"kelvin"', ', line 16: temperatures are in "kelvin"'),
        ("lightrain", "frogs", 'can\'t be read: symbol_code "frogs"'),
        ("T05:00:00Z", "T05:00:00", "without its zone"),
        ("T05:00:00Z", "T02:00:00Z", "is out of turn"),
        ('"air_temperature": 3.0', '"air_temperature": 93.0', "air_temperature 93.0"),
        ('"updated_at"', '"made"', "it is no forecast that can be read ('updated_at'"),
        ('"Feature",', '"Feature"', "it is not JSON"),
    ],
)
def test_a_forecast_that_is_wrong_is_told_with_its_place(folder, old, new, said):
    """Another unit, sky, zone or order would show people a wrong hour: nothing is published."""
    edit(folder / "weather.json", old, new)
    told = problems(folder)
    assert all(each.startswith("weather.json") for each in told)
    assert any(said in each for each in told), told


@pytest.mark.parametrize(
    "code", ["fair_day", "partlycloudy_night", "lightssnowshowersandthunder_day", "heavysleet", "fog"]
)
def test_every_kind_of_sky_is_known(folder, code):
    """The symbols are as their makers write them, two of them with a letter too much."""
    edit(folder / "weather.json", '"lightrain"', f'"{code}"')
    hours = source.read(folder, NOW).collections["weather"]["forecast"]["hours"]
    assert len(hours) == 48


@pytest.mark.parametrize("name", ["companies.csv", "events/park.ics", "pages/terms.fr.md"])
def test_another_encoding_is_said_with_its_line(folder, name):
    """A file that is not UTF-8 is refused, not published with wrong letters."""
    path = folder / name
    path.write_bytes(path.read_bytes().replace("é".encode(), "é".encode("latin-1")))
    assert any("it is not UTF-8 text." in found and ", line " in found for found in problems(folder))


def test_a_drawing_is_published_without_what_a_page_would_read_otherwise(folder):
    """Comments, instructions and CDATA, which HTML reads differently from XML, are gone from what a page shows."""
    path = folder / "plan" / "etage-1.svg"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("  <style>", "<?x ><img src=x onerror=alert(1)>?><!-- > <b> -->  <style>", 1).replace(
            "</title>", " &lt;/title>&lt;script></title>"
        ),
        encoding="utf-8",
    )
    content = source.read(folder, NOW)
    digest = content.collections["plans"]["etage-1"]["svg"]
    drawn = content.blobs[digest]
    assert hashlib.sha256(drawn).hexdigest() == digest
    assert content.collections["plans"]["etage-1"]["blobs"] == {digest: len(drawn)}
    assert b"<img" not in drawn
    assert b"<?" not in drawn
    assert b"<!--" not in drawn
    assert b"<script" not in drawn


def test_html_of_articles_is_harmless(folder):
    """Nothing that a feed or a Markdown file holds runs, loads or submits on a page."""
    edit(
        folder / "news.rss",
        "<p>Deux contrats",
        '<p onclick="x()"><img src="https://x.example"><script>x()</script>Deux',
    )
    edit(
        folder / "news" / "velos.fr.md", "Six vélos à", '<script>x()</script>[lien](javascript:x) <form action="/"> Six'
    )
    news = source.read(folder, NOW).collections["news"]
    for body in (news["brebis-robotique-alternants-2026"]["body"]["fr"], news["velos"]["body"]["fr"]):
        assert not any(word in body for word in ("<script", "<img", "onclick=", "<form", 'href="javascript'))


def test_unknown_files_are_noticed(folder):
    """A file that nobody reads is said, since it may be misspelt."""
    (folder / "compagnies.csv").write_text("id\n")
    assert source.read(folder, NOW).notices == (
        "compagnies.csv is not published: no collection has a file of that name.",
    )


def test_ways_lead_everywhere(demo):
    """From the entrance a way leads to each place of the demo, also without a step."""
    plans = list(demo.collections["plans"].values())
    assert ways.entrance(plans) == "entree"
    for place in (place["id"] for plan in plans for place in plan["places"] if place["id"] != "entree"):
        assert ways.find(plans, "entree", place), place
        assert all(leg.by != "stairs" for leg in ways.find(plans, "entree", place, step_free=True)), place


def test_a_place_without_a_way_is_noticed(folder):
    """The publisher is told, and the plan is published all the same."""
    edit(folder / "plan" / "edges.csv", "couloir-155,bureau-010,\n", "")
    assert source.read(folder, NOW).notices == ('plan/edges.csv: no way leads from "entree" to "bureau-010".',)


def test_news_is_a_company_s_own_by_its_link_or_by_its_word(folder, demo):
    """The park's feed of company news needs no ids: the link says whose it is."""
    assert demo.collections["news"]["galet-chaleur-2026"]["company"] == "galet-fictif"
    edit(folder / "news" / "velos.fr.md", "+++\n", '+++\ncompany = "pixel-imaginaire"\npriority = 3\n')
    item = source.read(folder, NOW).collections["news"]["velos"]
    assert (item["company"], item["priority"]) == ("pixel-imaginaire", 3)


def test_what_a_calendar_escapes_is_text_in_each_language(demo):
    """A comma of an event is no backslash and a comma to whoever reads it in English."""
    events = demo.collections["events"].values()
    shown = [each for one in events for each in (*one["title"].values(), *one["summary"].values(), one["organiser"])]
    assert any("," in one["summary"]["en"] for one in events)
    assert [each for each in shown if "\\" in each] == []


def test_occurrences_know_their_series(demo):
    """What recurs shares a name; what happens once has none; seats are a number."""
    events = demo.collections["events"].values()
    assert {one.get("series") for one in events} == {
        None,
        "cafe-du-parvis",
        "pause-etirements",
        "marche-du-jeudi",
        "balade-du-dimanche",
    }
    assert {one.get("seats") for one in events} == {None, 4, 6}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("plan/edges.csv", "hall-sud,accueil", "hall-sud,nulle-part", "which is no node or place"),
        (
            "plan/edges.csv",
            "escalier-etage,stairs",
            "escalier-etage,",
            "an edge to another floor is by stairs or by lift",
        ),
        ("plan/edges.csv", ",lift", ",rope", "holds"),
        ("plan/nodes.csv", "hall-ouest", "accueil", "is that of another node or place"),
        ("plan/nodes.csv", "rez-de-chaussee,hall-sud", "cave,hall-sud", "is not in plans.csv"),
        ("plan/places.csv", "entrance", "exit", "holds"),
        ("events/rencontres.ics", "X-PARVIS-SEATS:4", "X-PARVIS-SEATS:many", "is not a number from 1"),
        ("news/velos.fr.md", "+++\n", "+++\npriority = 99\n", "priority is not a number from 1 to 9"),
        ("news/velos.fr.md", "+++\n", '+++\ncompany = "nobody"\n', "is told by the company"),
        ("administrations.csv", "https://mairie.example/", "http://mairie.example/", "where an address such as https"),
        ("administrations.csv", "https://mairie.example/", "https://mairie/", "whose host is no name"),
        ("administrations.csv", ",connexion.example", ",*.example", 'column "hosts" holds "*.example"'),
        ("ads.csv", ",bureau 106,", ",bureau 106,tomorrow", "Write the day as year-month-day"),
    ],
)
def test_slips_in_the_newer_files_are_named(folder, file, old, new, said):
    """Each mistake stops the publication and says where it is."""
    edit(folder / file, old, new)
    assert any(said in problem for problem in problems(folder))


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ("libre,tap,Libre,60,,,,", "ways"),
        ("libre,click,Libre,0,,,,", "minutes"),
        ("libre,click,Libre,60,5,,,", "rate_down"),
        ("libre,click,Libre,60,,,18:00-08:00,", "hours"),
        ("libre,click,Libre,60,,,1-5 18:00-08:00,", "hours"),
        ("libre,click,Libre,60,,,5-1 08:00-18:00,", "days"),
    ],
)
def test_a_plan_that_nobody_could_use_is_not_published(folder, cells, word):
    """A wrong way, duration, rate or hour is told with its line, before a device could misread it."""
    header = "id,ways,name_fr,minutes,rate_down,quota,hours,devices"
    (folder / "access.csv").write_text(f"{header}\n{cells}\n", encoding="utf-8")
    assert any("access.csv" in problem and word in problem for problem in problems(folder))


def test_what_is_published_is_what_the_portal_reads(demo):
    """Every plan of the demo makes sense to the portal, with the limits that its table says."""
    read = {key: plans.read({"id": key, **record}) for key, record in demo.collections["access"].items()}
    assert None not in read.values()
    assert (read["visiteur"].limits.quota, read["visiteur"].devices) == (20_000_000_000, 2)
    assert plans.for_way(read.values(), plans.CLICK).seconds == 4 * 3600


def test_an_emptied_table_is_a_mistake_and_no_wish_to_remove_all(folder):
    """A file that was saved empty, or cut by a full disk, doesn't take every small ad of the park away."""
    (folder / "ads.csv").write_bytes(b"")
    assert [each for each in problems(folder) if each.startswith("ads.csv, line 1: it is empty.")]
