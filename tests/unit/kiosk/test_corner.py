# SPDX-License-Identifier: EUPL-1.2
"""The public service corner: offered where turned on and listed, asked for by a wish, ruled by the signed list."""

import dataclasses
import json
import re
import time

import pytest

from edge_core.store.replica import Replica
from kiosk import corner_rules, corner_wish
from kiosk.app import create_app
from sync.downlink import content_db

SITE = {
    "id": "mairie", "name": {"fr": "Mairie d'Exemple", "en": "Example town hall"}, "web": "https://mairie.example/",
    "hosts": ["mairie.example", "connexion.example"],
}  # fmt: skip


def make(settings, records, **given):
    """Return a kiosk's client whose content lists these sites."""
    sample = {"park": [{"id": "park", "name": "Parc"}], "administrations": records}
    content_db.load(settings.content_db, sample, 2, time.time())
    given = {"screen": True, "public_corner": True, **given}
    settings = dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, **given))
    return create_app(settings).test_client()


def test_a_visitor_chooses_a_site(settings, now):
    """The first screen leads to the list; the choice is left for who opens it, with nothing of the person."""
    client = make(settings, [SITE])
    assert "/en/corner" in client.get("/en/").text
    page = client.get("/en/corner").text
    assert "Example town hall" in page
    assert "At the end all is erased" in page
    assert "30 minutes" in page
    answer = client.post("/en/corner/mairie")
    assert (answer.status_code, answer.location) == (303, "/en/corner/opening")
    assert client.get(answer.location).status_code == 200
    kept = json.loads((settings.run_dir / "corner.json").read_text())
    assert set(kept) == {"administration", "tongue", "at"}
    assert corner_wish.take(settings.run_dir, now).administration == "mairie"
    assert corner_wish.take(settings.run_dir, now) is None


@pytest.mark.parametrize("given", [{"public_corner": False}, {"screen": False}])
def test_what_is_not_turned_on_is_not_there(settings, given):
    """Without the technician's setting, or without a screen, there is no such page and nothing leads to it."""
    client = make(settings, [SITE], **given)
    assert "corner" not in client.get("/fr/").text
    assert client.get("/fr/corner").status_code == 404
    assert client.post("/fr/corner/mairie").status_code == 404


def test_a_site_that_is_not_listed_is_refused(settings):
    """Only what the page offers can be asked for, and by our own form alone."""
    client = make(settings, [SITE])
    assert client.post("/fr/corner/other").status_code == 404
    assert client.post("/fr/corner/mairie", headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert not (settings.run_dir / "corner.json").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"web": "http://mairie.example/"},
        {"web": "https://other.example/"},
        {"web": "https://mairie.example:8443/"},
        {"web": "https://a@mairie.example/"},
        {"web": 'https://mairie.example/" --no-sandbox'},
        {"web": "https://mairie.example/\nx"},
        {"web": "https://[mairie.example/"},
        {"hosts": ["mairie.example", "*"]},
        {"hosts": ["mairie.example", "example"]},
        {"hosts": ["mairie.example", "127.0.0.1"]},
        {"hosts": ["mairie.example", "a.example$\n."]},
        {"hosts": []},
        {"hosts": "mairie.example"},
    ],
)
def test_a_record_that_could_open_more_opens_nothing(settings, wrong):
    """What a host list or address must not be is left out, whoever signed it."""
    make(settings, [{**SITE, **wrong}])
    assert corner_rules.administrations(Replica(settings.content_db, settings.blobs_dir)) == []


def test_the_rules_name_the_listed_hosts_and_no_others():
    """Policies: HTTPS to the hosts, the bar, by the proxy. The proxy's filter: the names and what is below them."""
    kiosks = {"URLBlocklist": ["*"], "URLAllowlist": ["http://127.0.0.1:8081"], "DownloadRestrictions": 3}
    names = corner_rules.hosts([SITE, SITE])
    ruled = corner_rules.policies(kiosks, names, "a" * 32)
    assert ruled["URLAllowlist"] == [
        "https://connexion.example:443", "https://mairie.example:443", f"chrome-extension://{'a' * 32}"
    ]  # fmt: skip
    assert (ruled["URLBlocklist"], ruled["DownloadRestrictions"]) == (["*"], 3)
    patterns = [re.compile(line) for line in corner_rules.proxy_filter(names).splitlines()]
    good = ["mairie.example", "www.mairie.example", "a.b.connexion.example"]
    bad = ["xmairie.example", "mairie.example.elsewhere.example", "mairiexexample", "example", "mairie.example.x"]
    assert [name for name in good + bad if any(each.search(name) for each in patterns)] == good


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"administration": "a"}', '{"administration":"a","tongue":"xx","at":NOW}', "x" * 9000]
)
def test_a_wish_that_is_none(tmp_path, text):
    """Whatever is in the file, it is a wish or nothing."""
    now = time.time()
    (tmp_path / "corner.json").write_text(text.replace("NOW", str(now)))
    assert corner_wish.read(tmp_path, now) is None
