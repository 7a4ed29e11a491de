# SPDX-License-Identifier: EUPL-1.2
"""Reading the local copy of the content."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from edge_core.store import replica as module
from edge_core.store.replica import ContentState, Replica
from sync.downlink import content_db

NOW = datetime.fromisoformat("2026-12-01T09:00:00+01:00").timestamp()


def company(slug, name, **fields):
    return {"id": slug, "name": name, "activity": {"fr": fields.pop("activity", "Conseil")}, **fields}


def event(slug, title, start, end):
    return {"id": slug, "title": {"fr": title}, "start": start, "end": end}


CONTENT = {
    "park": [{"id": "park", "name": "Parc d'exemple"}],
    "companies": [
        company("oeuvre", "Œuvre Exemple", activity="Édition d'art"),
        company("ardoise", "Exemple Ardoise", acronym="E.A.", activity="Toiture en ardoise, atelier à Saint-Exemple"),
        company("meteo", "Météo Fictive", acronym="MTF", former_names=["Baromètre Imaginaire"], activity="Prévision"),
    ],
    "events": [
        event("past", "Passé", "2026-11-30T09:00:00+01:00", "2026-11-30T10:00:00+01:00"),
        event("now", "En cours", "2026-12-01T08:30:00+01:00", "2026-12-01T09:30:00+01:00"),
        event("later", "Plus tard", "2026-12-02T07:00:00Z", "2026-12-02T08:00:00Z"),
    ],
    "news": [
        {"id": "old", "title": {"fr": "Ancienne"}, "published": "2026-10-01T09:00:00+02:00"},
        {
            "id": "new",
            "title": {"fr": "Récente"},
            "body": {"fr": "<blockquote>Le <b>café</b> ouvre</blockquote>"},
            "published": "2026-11-01T09:00:00+01:00",
        },
    ],
}


@pytest.fixture
def path(tmp_path):
    content_db.load(tmp_path / "content.db", CONTENT, 3, NOW)
    return tmp_path / "content.db"


@pytest.fixture
def replica(path):
    with closing(Replica(path)) as replica:
        yield replica


def ids(records):
    return [record["id"] for record in records]


def test_absent_content_reads_as_empty_and_is_seen_when_it_arrives(tmp_path):
    """A page can be served before any content came, and shows it as soon as it is there, without a restart."""
    with closing(Replica(tmp_path / "content.db")) as replica:
        assert (replica.park(), replica.list("companies"), replica.search("x"), replica.version()) == ({}, [], [], None)
        content_db.load(tmp_path / "content.db", CONTENT, 1, NOW)
        assert replica.park()["name"] == "Parc d'exemple"
        assert replica.version() == 1


def test_a_new_version_is_seen_by_an_open_reader(path, replica):
    """What the synchroniser commits is on the next page."""
    assert replica.count("companies") == 3
    content_db.load(path, {"companies": [company("neuf", "Exemple Neuf")]}, 4, NOW)
    assert ids(replica.list("companies")) == ["neuf"]
    assert replica.state() == ContentState(4, NOW, NOW)


def test_a_replaced_file_is_seen_by_an_open_reader(path, replica, tmp_path):
    """A file begun anew after a corruption is read instead of the one that was open."""
    assert replica.version() == 3
    content_db.load(tmp_path / "other.db", {}, 9, NOW)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"content.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "other.db").replace(path)
    assert replica.version() == 9


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b""])
def test_an_unreadable_file_reads_as_empty(path, damage):
    """A damaged file costs the content, never an error page."""
    path.write_bytes(damage)
    with closing(Replica(path)) as replica:
        assert replica.park() == {}
        assert replica.search("ardoise") == []


def test_lists_are_alphabetical_whatever_the_accents(replica):
    """Œ and É stand where a French reader looks for them."""
    assert ids(replica.list("companies")) == ["ardoise", "meteo", "oeuvre"]
    assert ids(replica.list("companies", limit=1, offset=1)) == ["meteo"]


def test_events_that_have_not_ended_soonest_first(replica):
    """An event that goes on is still shown; one that ended is not; offsets of any form are understood."""
    assert ids(replica.events_from(NOW)) == ["now", "later"]
    assert ids(replica.events_from(NOW, limit=1)) == ["now"]


def test_latest_news_first(replica):
    """The news of the day is on top."""
    assert ids(replica.latest_news()) == ["new", "old"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("œuvre", ["oeuvre"]),
        ("OEUVRE", ["oeuvre"]),
        ("edition", ["oeuvre"]),
        ("météo", ["meteo"]),
        ("mete", ["meteo"]),
        ("mé", ["meteo"]),
        ("mtf", ["meteo"]),
        ("EA", ["ardoise"]),
        ("e.a.", ["ardoise"]),
        ("barometre", ["meteo"]),
        ("saint exemple", ["ardoise"]),
        ("saint-exemple", ["ardoise"]),
        ("saintexemple", ["ardoise"]),
        ("l'ardoise", ["ardoise"]),
        ("ardoise exemple", ["ardoise"]),
        ("ardoise introuvable", ["ardoise"]),
        ("introuvable", []),
        ("", []),
        ("  ' - ", []),
    ],
)
def test_search_finds_companies_as_people_write_them(replica, asked, found):
    """Accents, ligatures, hyphens, dotted acronyms, elisions and beginnings of words don't stand in the way."""
    assert ids(replica.search(asked, ["companies"])) == found


@pytest.mark.parametrize(
    "asked",
    ['"', '" OR "', "name:ardoise", "NEAR(a b)", "a* b^", "-ardoise", "(", "{x}: y", "\0", "\ud800", "%'; DROP", "*"],
)
def test_hostile_search_syntax_is_only_text(replica, asked):
    """Nothing that a person types is read as FTS5 syntax."""
    replica.search(asked)
    assert replica.count("companies") == 3


def test_search_spans_collections_and_ignores_markup(replica):
    """A word of a news item is found; a tag's name is not a word."""
    assert ids(replica.search("cafe")) == ["new"]
    assert replica.search("cafe", ["companies"]) == []
    assert replica.search("cafe", []) == []
    assert replica.search("blockquote") == []


def test_a_name_counts_more_than_a_description(path):
    """Who is called so comes before who mentions it."""
    companies = [company("a", "Exemple Un", activity="Bois et verre"), company("b", "Exemple Bois")]
    content_db.load(path, {"companies": companies}, 5, NOW)
    with closing(Replica(path)) as replica:
        assert ids(replica.search("bois")) == ["b", "a"]


def test_blob_paths_stay_inside_their_folder(replica, tmp_path):
    """A name that is no digest opens nothing."""
    digest = "a" * 64
    (tmp_path / "blobs").mkdir()
    assert replica.blob_path(digest) is None
    (tmp_path / "blobs" / digest).write_bytes(b"x")
    assert replica.blob_path(digest) == Path(tmp_path / "blobs" / digest)
    assert replica.blob_path("../content.db") is None
    assert replica.blob_path(digest + "\n") is None


def test_a_reader_that_may_not_write_the_folder_reads_a_closed_file(path, monkeypatch):
    """After the writer has gone, an unprivileged reader still opens the file, and sees a later writer's change."""
    real = module._checked
    refused = []

    def unprivileged(uri):
        if uri.endswith("mode=ro") and not path.with_name("content.db-wal").exists():
            refused.append(uri)
            raise module.sqlite3.OperationalError("unable to open database file")
        return real(uri)

    monkeypatch.setattr(module, "_checked", unprivileged)
    with closing(Replica(path)) as replica:
        assert replica.version() == 3
        content_db.load(path, CONTENT, 4, NOW)
        assert replica.version() == 4
    assert refused


@pytest.mark.parametrize(
    "asked", ["ardoize", "exempel ardoise", "exempleardoise", "meteo fictiv", "mteo", "œuvr", "ardoisse toitur"]
)
def test_a_slip_of_the_finger_is_forgiven(replica, asked):
    """One letter wrong, missing, too many or swapped, or a space left out, finds what was meant."""
    assert ids(replica.search(asked, ["companies"]))[0] in {"ardoise", "meteo", "oeuvre"}


def test_the_words_of_new_content_are_known_at_once(path, replica):
    """What may be meant is read anew with each content."""
    assert replica.search("nuveau") == []
    content_db.load(path, {"companies": [company("neuf", "Nouveau Venu")]}, 4, NOW + 1)
    assert ids(replica.search("nuveau")) == ["neuf"]


def test_initials_are_an_acronym(path, replica):
    """A company is found by the acronym that people make of its name, though nobody wrote it down."""
    content_db.load(path, {"companies": [company("sfg", "Société Fictive du Galet"), company("un", "Galet")]}, 5, NOW)
    assert ids(replica.search("sfg")) == ["sfg"]
    assert ids(replica.search("S.F.G.")) == ["sfg"]


def test_a_series_is_one_line(path, replica):
    """What recurs is listed once, by its next time, and says how often it comes again."""
    days = [
        {
            **event(f"cafe-{day}", "Café", f"2026-12-0{day}T08:00:00+01:00", f"2026-12-0{day}T09:00:00+01:00"),
            "series": "cafe",
        }
        for day in (1, 2, 3, 4)
    ]
    once = event("fete", "Fête", "2026-12-02T20:00:00+01:00", "2026-12-02T23:00:00+01:00")
    content_db.load(path, {"events": [*days, once]}, 6, NOW)
    found = replica.events_from(NOW + 3600)
    assert [(one["id"], one["following"]) for one in found] == [("cafe-2", 2), ("fete", 0)]
    assert ids(replica.series("cafe", NOW + 3600)) == ["cafe-2", "cafe-3", "cafe-4"]


def test_the_park_decides_what_goes_first(path, replica):
    """A priority puts companies, services and news before the others, the highest first."""
    content = {
        "companies": [company("a", "Ardoise"), company("z", "Zénith", priority=2), company("y", "Yole", priority=9)],
        "news": [*CONTENT["news"], {"id": "pinned", "title": {"fr": "Une"}, "published": "2026-01-01", "priority": 1}],
    }
    content_db.load(path, content, 7, NOW)
    assert ids(replica.list("companies")) == ["y", "z", "a"]
    assert ids(replica.latest_news()) == ["pinned", "new", "old"]


def test_what_a_company_tells(path, replica):
    """A company's own news, and nobody else's."""
    news = [{**CONTENT["news"][0], "company": "ardoise"}, CONTENT["news"][1]]
    content_db.load(path, {"news": news}, 8, NOW)
    assert ids(replica.of_company("ardoise")) == ["old"]
    assert replica.of_company("") == []
