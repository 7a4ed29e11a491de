# SPDX-License-Identifier: EUPL-1.2
"""A visit from the kiosk's page to the platform and back, by real processes that are killed on the way."""

import json
import re
import runpy
import shutil
import sys
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from edge_core import settings as configuration
from edge_core.store import database, outbox, visits
from kiosk.app import create_app
from lab.faults.site import Broker, Process, until
from lab.ports import free_port

SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "kiosk" / "sample.py"))
PATIENCE = 60.0
FORM = "1f0c2d6e-1b7a-4a39-9c58-0e4b8f6a7d21"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


class Site:
    """A kiosk with its own sync, a broker, and the reference platform."""

    def __init__(self, folder):
        self.broker = Broker(folder / "broker")
        laid = SAMPLE["lay"](folder / "state", time.time())
        with laid.source.open("a", encoding="utf-8") as file:
            file.write(f'[kiosk]\nplatform_patience = 1\n[mqtt]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n')
        self.settings = configuration.load(laid.source, {})
        self.sync = Process([sys.executable, "-m", "sync", "--config", str(laid.source)], folder / "sync.log")
        self.port = free_port()
        (folder / "repository").mkdir()
        words = ["--store", str(folder / "platform.db"), "--repository", str(folder / "repository")]
        words += ["--broker", f"mqtt://127.0.0.1:{self.broker.port}", "--port", str(self.port)]
        self.platform = Process([sys.executable, "-m", "lab.platform", *words], folder / "platform.log")
        self.kiosk = create_app(self.settings).test_client()
        self.store = database.open_edge(self.settings.edge_db)

    def close(self):
        for process in (self.sync, self.platform, self.broker):
            process.kill()
        self.store.close()

    def arrive(self, name, form=""):
        place = "/fr/visit/exemple-ardoise/ardoise-atelier"
        answer = self.kiosk.post(place, data={"name": name, "people": "1", "form": form})
        return answer.headers["Location"]

    def heading(self, place):
        return re.search("<h1>(.*?)</h1>", self.kiosk.get(place).text)[1]

    def visits_there(self):
        with closing(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/state", timeout=PATIENCE)) as answer:
            return {each["visit"]: each for each in json.load(answer)["visits"]}

    def knows(self, key):
        try:
            return self.visits_there().get(key, {}).get("arrived")
        except OSError:
            return False

    def send(self, path, **form):
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=PATIENCE).read().decode()
        form["token"] = re.search(r'name="token" value="([0-9a-f]+)"', page)[1]
        body = urllib.parse.urlencode(form).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", body, timeout=PATIENCE).close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    made.broker.start()
    made.platform.start()
    made.sync.start()
    yield made
    made.close()


def test_the_hosts_answer_comes_to_the_visitors_page(site):
    """Arrived at the kiosk, known at the platform, answered there, shown here."""
    place = site.arrive("Visiteuse Fictive")
    key = place.rsplit("/", 1)[1]
    until(lambda: site.knows(key), PATIENCE, "the visit at the platform")
    assert site.visits_there()[key]["name"] == "Visiteuse Fictive"
    site.send(f"/visits/{key}", answer="coming")
    until(lambda: site.heading(place) == "Quelqu’un arrive", PATIENCE, "the answer on the page")


def test_an_announced_visit_is_scanned_and_done(site):
    """Announced on the platform's page; its code opens the door once."""
    until(lambda: site.store.execute("SELECT count(*) FROM outbox").fetchone()[0] == 0, PATIENCE, "everything told")
    site.send("/visits", site="exemple", company="exemple-ardoise", name="Invitée Fictive", people="3")
    until(lambda: visits.of_state(site.store, "announced"), PATIENCE, "the announcement at the kiosk")
    (expected,) = visits.of_state(site.store, "announced")
    place = site.kiosk.post("/fr/code", data={"code": f"PARVIS:exemple:V:{expected.invitation}"}).headers["Location"]
    assert place == f"/fr/received/{expected.id}"
    until(lambda: site.knows(expected.id), PATIENCE, "the arrival at the platform")
    again = site.kiosk.post("/fr/code", data={"code": expected.invitation})
    assert (again.status_code, len(visits.tickets_of(site.store, expected.id))) == (422, 1)


def test_nothing_is_lost_and_nothing_doubled_while_everything_dies(site):
    """Broker, sync and platform are killed in the middle of visits; the visitor is sent to the desk, honestly."""
    site.broker.kill()
    site.platform.kill()
    site.sync.kill()
    place = site.arrive("Pendant La Panne", FORM)
    until(lambda: site.heading(place) == "Allez au comptoir d’accueil, s’il vous plaît", PATIENCE, "the honest word")
    assert "Le réseau est en panne" in site.kiosk.get(place).text
    site.kiosk = create_app(site.settings).test_client()  # the pages' process died too: nothing was in its memory
    assert site.arrive("Pendant La Panne", FORM) == place
    site.broker.start()
    site.platform.start()
    site.sync.start()
    key = place.rsplit("/", 1)[1]
    until(lambda: site.knows(key), PATIENCE, "the visit at the platform")
    until(lambda: outbox.account(site.store).pending == 0, PATIENCE, "everything acknowledged")
    there = [each for each in site.visits_there().values() if each["name"] == "Pendant La Panne"]
    assert [(each["visit"], each["asked"], each["reason"]) for each in there] == [(key, "desk", "unreachable")]
    assert outbox.account(site.store).balanced
    site.send(f"/visits/{key}", answer="seen")
    until(lambda: site.heading(place) == "On sait que vous êtes là", PATIENCE, "a late answer")
