# SPDX-License-Identifier: EUPL-1.2
"""Pages that nginx answers from its own memory count like others, and leave no trace of who read."""

import http.client
import json
import threading
import time
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from werkzeug.serving import make_server

from captive_portal import app as portal_app
from captive_portal import front, front_told
from edge_core.settings import load
from edge_core.store import database
from sync.downlink import content_db

from .test_front_nginx import nginx, pytestmark  # noqa: F401  needs the same nginx

NOW = 1_905_580_800.0
COMPANY = {"id": "pixel-imaginaire", "name": "Pixel Imaginaire", "activity": {"fr": "Images"}}
GUESTS = [f"127.0.7.{number}" for number in range(10, 25)]


@pytest.fixture(scope="module")
def park(tmp_path_factory):
    """A portal behind nginx: its clock, its settings, its folder, how often it was asked, and nginx's port."""
    folder, patch = tmp_path_factory.mktemp("counts"), pytest.MonkeyPatch()
    (folder / "parvis.toml").write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
        '[enforcement]\nmode = "none"\n'
    )
    settings, clock, asked = load(folder / "parvis.toml", {}), SimpleNamespace(now=NOW), []
    database.migrate(settings)
    content_db.load(settings.content_db, {"companies": [COMPANY]}, 1, NOW)
    patch.setenv(front_told.FILE, str(folder / "front.log"))
    patch.setattr(front_told, "_SECONDS", 0.05)
    application = front.behind(portal_app.create_app(settings, lambda: clock.now))

    def over_socket(environ, start):
        asked.append(environ["PATH_INFO"])
        return application(environ | {"REMOTE_ADDR": ""}, start)

    server = make_server(f"unix://{folder}/portal.sock", 0, over_socket, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with nginx(folder) as port:
        yield SimpleNamespace(clock=clock, settings=settings, folder=folder, asked=asked, port=port)
    server.shutdown()
    server.server_close()
    patch.undo()


def read(park, guest, path, **headers):
    """Ask for a page from an address of loopback's own; return status, headers and text."""
    with closing(http.client.HTTPConnection("127.0.0.1", park.port, 20, source_address=(guest, 0))) as connection:
        connection.request("GET", path, headers={"Host": "portail.example.net", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def told(park):
    """Close the window and return what was told since the last look."""
    park.clock.now += 300
    read(park, GUESTS[0], "/fr/")
    with closing(database.open_edge(park.settings.edge_db)) as store, database.write(store):
        rows = store.execute("SELECT body FROM outbox WHERE type LIKE 'eu.parvis.usage.%'").fetchall()
        store.execute("DELETE FROM outbox")
    return {body["type"].split(".")[3]: body["data"] for body in (json.loads(row[0]) for row in rows)}


def told_in_the_end(park, visits, right):
    """Play `visits` window by window until what is told is right: on a busy machine some may be told late."""
    end, said = time.monotonic() + 60, {}
    while time.monotonic() < end:
        told(park)
        visits()
        time.sleep(0.3)  # nginx writes, and we read
        said = told(park)
        if right(said):
            return said
    return said


def test_pages_from_the_fronts_memory_are_counted(park):
    """Fifteen guests read a company's page, most of them nginx's own copy: fifteen are told, by the content's id."""
    path = f"/fr/companies/{COMPANY['id']}"

    def visits():
        park.asked.clear()
        for guest in GUESTS:
            assert read(park, guest, path)[0] == 200

    said = told_in_the_end(
        park, visits, lambda said: said.get("pages", {}).get("pages", [{}])[0].get("askers") == 15 > len(park.asked)
    )
    assert said["pages"]["pages"] == [{"collection": "companies", "id": COMPANY["id"], "askers": 15}]
    assert park.asked.count(path) < 10, "the front kept nothing: this test shows nothing"


def test_a_page_that_the_browser_still_has_is_read_again(park):
    """Not modified (RFC 9110, 15.4.5) is an answer to somebody who opened the page."""
    path = f"/fr/companies/{COMPANY['id']}"
    tag = read(park, GUESTS[0], path)[1]["ETag"]

    def visits():
        tag = read(park, GUESTS[0], path)[1]["ETag"]
        for guest in GUESTS[1:]:
            assert read(park, guest, path, **{"If-None-Match": tag})[0] in {200, 304}

    said = told_in_the_end(park, visits, lambda said: said.get("pages", {}).get("pages", [{}])[0].get("askers") == 15)
    assert said["pages"]["pages"][0]["askers"] == 15
    assert tag


def test_a_kept_search_without_an_answer_stays_without(park):
    """Fifteen search for what isn't there, the rest of them in nginx's copy; its header is not for guests."""

    def visits():
        for guest in GUESTS:
            _, headers, _ = read(park, guest, f"/fr/companies?q={quote('Crémerie')}")
            assert "X-Parvis-Found" not in headers

    words = [{"text": "crémerie", "askers": 15}]
    said = told_in_the_end(
        park,
        visits,
        lambda said: said.get("searches", {}).get("words") == words and said["searches"]["unanswered"] == 15,
    )
    assert (said["searches"]["asked"], said["searches"]["unanswered"]) == (15, 15)
    assert said["searches"]["words"] == words


def test_letters_are_one_search_each(park):
    """Each guest types a word letter by letter and opens what was found: one search, of the whole word."""

    def visits():
        for guest in GUESTS:
            for letters in ("p", "pi", "pix", "pixel"):
                read(park, guest, f"/fr/companies/answers?q={letters}")
            read(park, guest, f"/fr/companies/{COMPANY['id']}")

    words = [{"text": "pixel", "askers": 15}]
    said = told_in_the_end(park, visits, lambda said: said.get("searches", {}).get("words") == words)
    assert (said["searches"]["asked"], said["searches"]["unanswered"]) == (15, None)
    assert said["searches"]["words"] == words


def test_nobody_can_read_later_who_read_what(park):
    """Neither nginx's log nor any file beside holds a guest's address or a word; what the portal reads is emptied."""
    for guest in GUESTS[:9]:
        read(park, guest, "/fr/companies?q=secretissime")
        read(park, guest, "/fr/companies?q=secretissime&x=" + "y" * 5000)
    told(park)
    kept, read_by_us, end = park.folder / "cache", park.folder / "front.log", time.monotonic() + 60
    while read_by_us.stat().st_size:
        assert time.monotonic() < end
        time.sleep(0.05)
    for file in park.folder.rglob("*"):
        if file.is_file() and file != read_by_us and kept not in file.parents:
            data = file.read_bytes()
            assert b"127.0.7." not in data, file
            assert b"secretissime" not in data, file
