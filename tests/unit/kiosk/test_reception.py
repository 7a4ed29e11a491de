# SPDX-License-Identifier: EUPL-1.2
"""The reception desk: nobody enters without a password or a badge; what it does is in the store; names stay text."""

import csv
import dataclasses
import io
import json
import re
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from edge_core import hotplug, live, passwords
from edge_core.errors import ConfigurationError
from edge_core.settings import load
from edge_core.store import database, desk_users, outbox, print_jobs, requests, roll_calls, visits
from edge_core.store.replica import Replica
from kiosk import commands, desk_export, device_words, frame, reception
from kiosk.app import create_desk
from kiosk.devices import status
from kiosk.here import Kiosk

PASSWORD = "trois mots de passe"
BADGE = "BADGE234BADGE234"
CONTRACT = Path(__file__).parents[3] / "contracts" / "schemas" / "event.health.device.v1.schema.json"


@pytest.fixture(scope="module")
def kept():
    """What is kept of the password; slow on purpose, so made once."""
    return passwords.make(PASSWORD)


@pytest.fixture
def edge(settings, kept, now):
    with closing(database.open_edge(settings.edge_db)) as connection:
        desk_users.add(connection, "accueil", kept, now)
        desk_users.give_badge(connection, "accueil", BADGE)
        yield connection


@pytest.fixture
def lan(settings, edge):
    """A browser on the LAN, not signed in."""
    return create_desk(settings).test_client()


@pytest.fixture
def desk(lan):
    """A browser on the LAN, signed in."""
    assert sign_in(lan).headers["Location"] == "/fr/reception"
    return lan


def sign_in(client, name="accueil", password=PASSWORD, **headers):
    return client.post("/fr/reception/door", data={"name": name, "password": password}, headers=headers)


def arrive(edge, now, name="Visiteuse Fictive", company="exemple-ardoise", host="ardoise-atelier", people=1):
    ticket = visits.Ticket(visits.new_code(), "", people, "", None)
    arrival = visits.Arrival(company=company, host=host, name=name, people=people, place="kiosk-1", language="fr")
    return visits.arrive(edge, arrival, [(ticket, {"id": ticket.code})], now), ticket


PRIVATE = ["/fr/reception", "/fr/reception/roll-call", "/fr/reception/today.csv"]


@pytest.mark.parametrize("path", PRIVATE)
def test_nobody_sees_it_without_signing_in(lan, client, edge, path):
    """Neither on the LAN nor on the kiosk; forms do nothing either."""
    for browser in (lan, client):
        assert browser.get(path).headers["Location"] == "/fr/reception/door"
        assert browser.post("/fr/reception/roll-call/start").headers["Location"] == "/fr/reception/door"
    assert roll_calls.running(edge) is None


def test_the_cookie_is_worth_nothing_elsewhere(lan, edge, settings):
    """HttpOnly and SameSite; the store holds no token; signing out ends it."""
    cookie = sign_in(lan).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    token = re.match(r"parvis-desk=([^;]+)", cookie)[1]
    assert token.encode() not in b"".join(path.read_bytes() for path in settings.edge_db.parent.glob("edge.db*"))
    assert lan.get("/fr/reception").status_code == 200
    lan.post("/fr/reception/leave")
    lan.set_cookie("parvis-desk", token)
    assert lan.get("/fr/reception").status_code == 303


def test_the_desk_on_the_lan_is_the_desk_alone(desk):
    """Nothing of the kiosk is served there, least of all the heartbeat."""
    for path in ("/fr/", "/fr/visit", "/fr/leaving", "/leave"):
        assert desk.get(path).status_code == 404
    assert desk.post("/fr/heartbeat").status_code == 404
    assert desk.get("/", headers={"Accept-Language": "es"}).headers["Location"] == "/es/reception"


def test_wrong_tries_are_limited(lan, edge, now, monkeypatch):
    """Five for a name, then not even the right password for a quarter of an hour; another name goes on."""
    for _ in range(5):
        assert sign_in(lan, password="wrong").status_code == 403
    assert sign_in(lan).status_code == 429
    assert "accueil" not in "".join(edge.iterdump()).partition("CREATE TABLE desk_failures")[2].partition("CREATE")[0]
    monkeypatch.setattr("edge_core.clock.now", lambda: now + 16 * 60)
    assert sign_in(lan).status_code == 303


def test_unknown_names_learn_nothing(lan):
    """The same answer, whatever is wrong; letters that no database has, too."""
    answers = {
        re.sub(r' value="[^"]*"', "", sign_in(lan, name, password).text)  # but for the name that was written
        for name, password in (("nobody", "x"), ("accueil", "x"), ("' OR 1=1 --", "x"), ("\x00", "\ufffd"), ("", ""))
    }
    assert len(answers) == 1


def test_forms_from_elsewhere_are_refused(desk, edge, now):
    """A page that the receptionist visits can't press buttons here."""
    visit, _ = arrive(edge, now)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert desk.post(f"/fr/reception/visit/{visit.id}/left", headers=headers).status_code == 403
    assert visits.get(edge, visit.id).inside


def test_what_the_desk_does_is_done(desk, edge, now):
    """Received, notified again, printed again, badge, left; each told where it must be."""
    visit, ticket = arrive(edge, now)
    print_jobs.take(edge, now)
    print_jobs.done(edge, ticket.code, now)
    for action, form in (("again", {}), ("print", {}), ("badge", {"badge": "17<b>"}), ("received", {})):
        assert desk.post(f"/fr/reception/visit/{visit.id}/{action}", data=form).status_code == 303
    found = visits.get(edge, visit.id)
    assert (found.state, found.badge, found.why) == ("here", "17b", "again")
    assert print_jobs.take(edge, now).id == f"{ticket.code}/2"
    desk.post(f"/fr/reception/visit/{visit.id}/left")
    assert visits.get(edge, visit.id).how == "desk"
    kinds = [json.loads(row[2])["type"].split(".")[3] for row in outbox.read_after(edge, 0, 9)]
    assert kinds == ["arrived", "asked", "left"]
    assert desk.post(f"/fr/reception/visit/{visit.id}/explode").status_code == 404
    assert desk.post("/fr/reception/visit/nonsense/left").status_code == 303


def test_the_board_shows_the_day(desk, edge, now):
    """Who waits for the desk first; names are text, in whatever direction."""
    waiting, _ = arrive(edge, now - 400, name="<script>alert(1)</script>")
    arrive(edge, now, name="محمد", company="oeuvre", host=None)
    gone, _ = arrive(edge, now - 50, name="Partie")
    visits.leave(edge, gone.id, "desk", now)
    requests.create(edge, kind="message", subject="message", data={"message": "La lampe"}, place="kiosk-1", now=now)
    asked = {"date": "2031-03-04", "time": "10:00", "people": "4", "language": "fr"}
    requests.create(edge, kind="room", subject="salle", data=asked, place="kiosk-1", now=now)
    page = desk.get("/fr/reception").text
    assert "<title>(1) " in page
    assert "<script>alert" not in page
    calling, rest = page.index('id="calling"'), page.index('id="inside"')
    assert calling < page.index("&lt;script&gt;alert(1)") < rest
    assert "La lampe" in page
    assert "4 mars 2031 · 10:00 · 4 personnes<" in page
    assert ("à traiter" in page, "Votre demande" in page) == (True, False)  # said to the desk, not to who asked
    assert 'dir="auto">محمد' in page
    assert visits.get(edge, waiting.id).asked == "desk"


def test_the_export_is_for_spreadsheets_and_runs_nothing(desk, edge, now):
    """What a visitor wrote stays text there too."""
    arrive(edge, now, name="=cmd|' /C calc'!A0")
    arrive(edge, now, name='Été, "l\'autre"')
    answer = desk.get("/fr/reception/today.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert sorted(row["Nom"] for row in rows) == ["'=cmd|' /C calc'!A0", 'Été, "l\'autre"']
    assert rows[0]["Entreprise"] == "Exemple Ardoise SARL"
    assert (rows[0]["Hôte"], rows[0]["État"]) == ("Atelier", "en attente")
    assert "attachment" in answer.headers["Content-Disposition"]
    for cell in ("=1", "+1", "-1", "@x", "\tx", "\rx"):
        assert desk_export.quiet(cell) == f"'{cell}"


def test_the_export_has_a_word_for_all_that_a_visit_may_be():
    """Each state, and each way in which the contract lets a visit end."""
    told = json.loads(CONTRACT.with_name("event.visit.left.v1.schema.json").read_text())["properties"]["data"]
    assert set(desk_export.ENDS) == set(told["properties"]["how"]["enum"])
    assert set(desk_export.STATES) == set(visits.STATES)


def test_a_roll_call_by_list_and_by_ticket(desk, edge, now):
    """By company; ticked by its button or its code, taken back, and unknown codes are said."""
    _, first = arrive(edge, now, people=2)
    _, second = arrive(edge, now, name="Autre", company="oeuvre", host=None)
    desk.post("/fr/reception/roll-call/start")
    assert '<b class="missing">3</b>' in desk.get("/fr/reception/roll-call").text
    desk.post("/fr/reception/roll-call/tick", data={"code": f"PARVIS:exemple:T:{first.code}"})
    desk.post("/fr/reception/roll-call/tick", data={"code": second.code.lower()})
    page = desk.get("/fr/reception/roll-call").text
    assert '<b class="missing">0</b>' in page
    assert page.count('aria-pressed="true"') == 2
    place = re.search(rf'value="{second.code}"><input type="hidden" name="at" value="([^"]+)"', page)[1]
    back = desk.post("/fr/reception/roll-call/untick", data={"code": second.code, "at": place}).headers["Location"]
    assert back == f"/fr/reception/roll-call#{place}"  # a long list goes on where it was ticked
    assert f'<li id="{place}"' in page
    assert '<b class="missing">1</b>' in desk.get("/fr/reception/roll-call").text
    for unknown in ("NOTACODE", "", "x" * 500):
        answer = desk.post("/fr/reception/roll-call/tick", data={"code": unknown})
        assert answer.status_code == 303
        assert 'role="alert"' in desk.get(answer.headers["Location"]).text
    desk.post("/fr/reception/roll-call/end")
    assert roll_calls.running(edge) is None
    assert desk.post("/fr/reception/roll-call/explode").status_code == 404


def test_on_the_kiosk_a_badge_opens_it(client, edge, now, monkeypatch):
    """Typed or scanned; no password there; it closes when nobody is there."""
    assert "password" not in client.get("/fr/reception/door").text
    assert client.post("/fr/reception/door", data={"name": "accueil", "password": PASSWORD}).status_code == 403
    assert client.post("/fr/reception/door", data={"code": "0" * 16}).status_code == 403
    assert client.post("/fr/reception/door", data={"code": "badge234-badge234"}).status_code == 303
    assert client.get("/fr/reception").status_code == 200
    assert client.get("/fr/reception/roll-call").status_code == 200
    monkeypatch.setattr("edge_core.clock.now", lambda: now + 300)
    assert client.get("/fr/reception").status_code == 303


def test_guessing_badges_is_limited(client, edge):
    """Five wrong ones, then not even the right one for a while."""
    for _ in range(5):
        assert client.post("/fr/reception/door", data={"code": "WRONG234WRONG234"}).status_code == 403
    assert client.post("/fr/reception/door", data={"code": BADGE}).status_code == 429


def test_a_scanned_badge_is_a_pass_for_one_use(app, client, edge):
    """The address to which a scan leads opens the desk once."""
    from kiosk import reception_door  # noqa: PLC0415  its routes need an application

    with app.test_request_context("/fr/scan/1", method="POST"):
        app.preprocess_request()
        place = reception_door.scanned("scanner", f"PARVIS:exemple:S:{BADGE}")
        assert reception_door.scanned("scanner", "PARVIS:exemple:S:0000000000000000") == "/fr/reception/door"
        assert reception_door.scanned("scanner", "PARVIS:exemple:T:00000000") is None
    assert client.get(place).headers["Location"] == "/fr/reception"
    assert app.test_client().get(place).headers["Location"] == "/fr/reception/door"


def test_a_ticket_that_is_scanned_at_the_assembly_point_is_ticked(app, client, edge, now):
    """While the roll-call is on the screen of somebody who is signed in; otherwise a ticket ends its visit."""
    visit, ticket = arrive(edge, now)
    client.post("/fr/reception/door", data={"code": BADGE})
    client.post("/fr/reception/roll-call/start")
    cookie = client.get_cookie("parvis-desk").value
    text = f"PARVIS:exemple:T:{ticket.code}"
    for referrer, session in (("http://localhost/fr/", cookie), ("http://localhost/fr/reception/roll-call", "forged")):
        headers = {"Referer": referrer, "Cookie": f"parvis-desk={session}"}
        with app.test_request_context("/fr/scan/1", method="POST", headers=headers):
            app.preprocess_request()
            assert reception.scanned("scanner", text) is None
    # A code that nobody knows was typed before: the page is the same.
    headers = {"Referer": "http://localhost/fr/reception/roll-call?unknown=", "Cookie": f"parvis-desk={cookie}"}
    with app.test_request_context("/fr/scan/1", method="POST", headers=headers):
        app.preprocess_request()
        assert reception.scanned("scanner", text) == "/fr/reception/roll-call"
    assert [entry.found for entry in roll_calls.inside(edge)["exemple-ardoise"]] == [True]
    assert visits.get(edge, visit.id).inside


def test_the_command_lets_people_in_and_out(settings, lan):
    """Passwords that are too short, and names that are none, are refused with a remedy."""
    run, config = CliRunner(), ["--config", str(settings.source)]
    for name, password in (("a", "short"), (" ", PASSWORD), ("x" * 61, PASSWORD)):
        assert run.invoke(commands.desk, ["user", "add", name, *config, "--password", password]).exception
    assert run.invoke(commands.desk, ["user", "add", "été", *config, "--password", PASSWORD]).exit_code == 0
    assert sign_in(lan, "été").status_code == 303
    told = run.invoke(commands.desk, ["user", "badge", "été", *config]).output
    assert re.search(r"\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b", told)
    assert json.loads(run.invoke(commands.desk, ["user", "list", *config, "--json"]).output) == ["accueil", "été"]
    assert run.invoke(commands.desk, ["user", "remove", "été", *config]).exit_code == 0
    assert lan.get("/fr/reception").status_code == 303
    assert run.invoke(commands.desk, ["user", "remove", "été", *config]).exception
    assert run.invoke(commands.desk, ["user", "badge", "été", *config]).exception
    assert "The list is whole." in run.invoke(commands.desk, ["erasures", *config]).output


def test_passwords_are_not_heard_on_a_network(settings):
    """Without a certificate the desk listens on this machine alone."""
    source = settings.source
    whole = source.read_text()
    source.write_text(f'{whole}[desk]\nlisten = "127.0.0.1:8444"\n')
    assert load(source, {}).desk.listen == ("127.0.0.1", 8444)
    source.write_text(f'{whole}[desk]\nlisten = "10.0.0.1:8444"\n')
    with pytest.raises(ConfigurationError, match="certificate"):
        load(source, {})


def test_the_desk_sees_who_calls_for_help_and_answers(desk, lan, settings, now):
    """Each kiosk of the site that calls is shown until somebody says to go there; an invented one is refused."""
    word = {"at": now, "called": now - 30, "answered": {}}
    live.write(settings.run_dir, {"help": {"kiosk-9": word}})
    assert "kiosk-9" in desk.get("/fr/reception").text
    assert desk.post("/fr/reception/help/kiosk-8").status_code == 404
    assert desk.post("/fr/reception/help/kiosk-9").status_code == 303
    assert "kiosk-9" not in desk.get("/fr/reception").text
    assert live.answered_here(settings, now)["kiosk-9"] >= now - 30


def test_the_desk_sees_the_sites_other_kiosks(desk, settings, now):
    """Up or silent, the screen, the printer, the last word; not this kiosk twice, nothing where it is alone."""
    assert "Les autres bornes" not in desk.get("/fr/reception").text
    good = {"at": now - 20, "screen": "alive", "devices": {"printer": "ready"}}
    words = {
        "kiosk-1": good,
        "kiosk-7": good,
        "kiosk-8": {**good, "devices": {"printer": "paper"}},
        "kiosk-9": {**good, "at": now - 3600},
    }
    live.write(settings.run_dir, {"kiosk": words})
    page = desk.get("/fr/reception").text.partition('id="others"')[2].partition("</section>")[0]
    rows = page.split("<li")[1:]
    assert [re.search("kiosk-[0-9]", row).group() for row in rows] == ["kiosk-7", "kiosk-8", "kiosk-9"]
    assert ("en marche" in rows[0], "en service" in rows[0]) == (True, True)
    assert ("à vérifier" in rows[1], "plus de papier" in rows[1]) == (True, True)
    assert ("aucun signe" in rows[2], "Dernier signe" in rows[2], "en service" in rows[2]) == (True, True, False)


def test_every_device_and_state_has_words():
    """Whatever role and state the contract lets a kiosk tell, the desk says it in words, in each language."""
    told = json.loads(CONTRACT.read_text())["properties"]["data"]["properties"]
    assert set(device_words.ROLES) == set(told["role"]["enum"]) == set(get_args(hotplug.Role))
    assert set(device_words.STATES) == {*told["state"]["enum"], "printing"}
    assert {*get_args(status.State), "absent", "denied", "in_use"} <= set(device_words.STATES)
    words = [*device_words.ROLES.values(), *device_words.STATES.values()]
    for code, language in frame.languages().items():
        if code != "en":
            assert [each for each in words if language.gettext(each) == each] == [], code


def test_the_desk_says_in_words_how_its_own_devices_are(desk, settings, now, monkeypatch):
    """No raw word of a role or state; a device that isn't there and that nobody expects isn't shown."""
    told = {"scanner": "ready", "keyboard": "refused", "printer": "absent", "stick": "absent", "screen": "lit"}
    devices = {role: {"state": state} for role, state in told.items()}
    monkeypatch.setattr("edge_core.control.ask", lambda *_: {"ok": True, "devices": devices})
    expecting = dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, devices=("printer",)))
    content = Replica(settings.content_db, settings.blobs_dir)
    desk.application.extensions["parvis-kiosk"] = Kiosk(expecting, content, 9, 9)
    shown = desk.get("/fr/reception").text.partition('id="state"')[2].partition("</section>")[0]
    pairs = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", shown))
    assert pairs["Lecteur de codes"] == "en service"
    assert pairs["Clavier inconnu"] == "refusé"
    assert pairs["Imprimante"] == "à brancher"
    assert "Clé USB" not in pairs
    assert not set(pairs) & set(told)
    assert not set(pairs.values()) & {*told.values()}


def test_requests_are_treated_at_the_desk(desk, edge, now):
    """Done or not possible, with words for who asked; the platform is told and can't turn it back; no room."""
    made = [
        requests.create(edge, kind=kind, subject=kind, data={"message": "Fuite"}, place="kiosk-1", now=now)
        for kind in ("message", "report", "room")
    ]
    page = desk.get("/fr/reception").text
    assert page.count("Pas possible") == 2
    posted = desk.post(f"/fr/reception/request/{made[0].id}/done", data={"words": "C\x00'est  fait\n<b>"})
    assert posted.status_code == 303
    assert desk.post(f"/fr/reception/request/{made[1].id}/rejected").status_code == 303
    found = [requests.get(edge, each.id) for each in made]
    assert [each.state for each in found] == ["done", "rejected", "recorded"]
    assert found[0].reason == "C 'est fait <b>"
    for key, state in ((made[2].id, "done"), (made[0].id, "rejected"), (made[1].id, "accepted"), ("none", "done")):
        assert desk.post(f"/fr/reception/request/{key}/{state}").status_code == 404
    rows = edge.execute("SELECT body FROM outbox WHERE type LIKE '%settled%' ORDER BY seq").fetchall()
    told = [json.loads(row[0])["data"] for row in rows]
    assert [(each["request"], each["state"], each["reason"]) for each in told] == [
        (made[0].id, "done", "C 'est fait <b>"), (made[1].id, "rejected", None),
    ]  # fmt: skip
    with database.write(edge):
        late = {"state": "accepted", "reason": None, "reference": "R1"}
        assert not requests.apply_reply(edge, request=made[0].id, **late, now=now)
