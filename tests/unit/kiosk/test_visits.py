# SPDX-License-Identifier: EUPL-1.2
"""A visitor is received, followed and lets go, by the pages alone; nothing lost, nothing granted to what is forged."""

import re
import uuid
from contextlib import closing

import pytest

from edge_core.store import database, outbox, print_jobs, visits
from kiosk import codes, leaving

PLACE = "/fr/visit/exemple-ardoise/ardoise-atelier"
INVITED = "0191d2c2-1c20-7e13-9a22-6b7c8d9e0f1a"
CODE = "7K3QX9V2MD"


def edge(settings):
    return closing(database.open_edge(settings.edge_db))


def arrive(client, place=PLACE, **changed):
    form = {"name": "Nœmie d'Été", "people": "1", "form": str(uuid.uuid4()), **changed}
    return client.post(place, data=form)


def visit_of(settings, answer):
    with edge(settings) as connection:
        found = visits.get(connection, answer.headers["Location"].rsplit("/", 1)[1])
        return found, visits.tickets_of(connection, found.id)


def after(client, path, **form):
    """Send a form and return the page to which it leads."""
    return client.post(path, data=form, follow_redirects=True).text


def announce(settings, now, **changed):
    told = {
        "company": "exemple-ardoise", "host": None, "name": "Invitée Fictive", "people": 2, "code": CODE,
        "expected_from": now - 60, "expected_until": now + 3600, **changed,
    }  # fmt: skip
    with edge(settings) as connection, database.write(connection):
        assert visits.announce(connection, INVITED, told, now)


def test_the_way_to_a_host(client):
    """Company, then host or nobody in particular; a company without roles leads on at once."""
    assert "Exemple Ardoise" in client.get("/fr/visit").text
    assert "Exemple Ardoise" in client.get("/fr/visit/answers?q=ardoi").text
    page = client.get("/fr/visit/exemple-ardoise").text
    assert "Atelier" in page
    assert "/fr/visit/exemple-ardoise/-" in page
    assert 'action="/fr/visit/oeuvre/-"' in client.get("/fr/visit/oeuvre").text
    assert client.get("/fr/visit/nobody").status_code == 404
    assert client.get("/fr/visit/exemple-ardoise/autre-service").status_code == 404


def test_an_arrival_is_recorded_and_followed(client, settings):
    """The page says who was told, shows the ticket, and nothing of what was typed."""
    answer = arrive(client)
    assert answer.status_code == 303
    visit, (ticket,) = visit_of(settings, answer)
    assert (visit.company, visit.host, visit.name, visit.place) == (
        "exemple-ardoise", "ardoise-atelier", "Nœmie d'Été", "kiosk-1",
    )  # fmt: skip
    page = client.get(answer.headers["Location"]).text
    assert f"{ticket.code[:4]}-{ticket.code[4:]}" in page
    assert "Nœmie" not in page
    with edge(settings) as connection:
        assert print_jobs.get(connection, ticket.code).ticket["check_out"] == f"PARVIS:exemple:T:{ticket.code}"
        assert [row[1] for row in outbox.read_after(connection, 0, 9)] == ["visit"]


def test_a_second_touch_makes_no_second_visit(client, settings):
    """The same form leads to the same visit."""
    form = str(uuid.uuid4())
    assert arrive(client, form=form).headers["Location"] == arrive(client, form=form).headers["Location"]
    with edge(settings) as connection:
        assert connection.execute("SELECT count(*) FROM visits").fetchone()[0] == 1


def test_what_the_host_says_is_on_the_page(client, settings, now):
    """Each answer has its own sentence."""
    place = arrive(client).headers["Location"]
    seen = []
    for said in ("seen", "wait", "coming"):
        with edge(settings) as connection, database.write(connection):
            visits.answer(connection, place.rsplit("/", 1)[1], said, now)
        seen.append(re.search("<h1>(.*?)</h1>", client.get(place).text)[1])
    assert seen == ["On sait que vous êtes là", "Patientez un instant, s’il vous plaît", "Quelqu’un arrive"]


def test_an_unreachable_platform_is_said(client, settings, now, monkeypatch):
    """After twenty seconds nobody is left in the belief that the company knows."""
    place = arrive(client).headers["Location"]
    monkeypatch.setattr("edge_core.clock.now", lambda: now + 30)
    page = client.get(place).text
    assert "Le réseau est en panne" in page
    monkeypatch.setattr("edge_core.clock.now", lambda: now + 3600)
    assert client.get(place).status_code == 410


def test_the_companys_rules_are_read_and_accepted(client, settings):
    """Without the tick nothing is recorded, and what was written stays."""
    page = client.get("/fr/visit/oeuvre/-").text
    assert "Ne touchez pas aux presses." in page
    refused = arrive(client, "/fr/visit/oeuvre/-")
    assert refused.status_code == 422
    assert 'value="Nœmie d&#39;Été"' in refused.text
    assert arrive(client, "/fr/visit/oeuvre/-", accept="yes").status_code == 303


def test_a_group_has_one_ticket_or_one_each(client, settings):
    """As the group likes."""
    _visit, one = visit_of(settings, arrive(client, people="3"))
    _visit, each = visit_of(settings, arrive(client, people="3", tickets="each"))
    assert ([ticket.people for ticket in one], [ticket.people for ticket in each]) == ([3], [1, 1, 1])


@pytest.mark.parametrize(
    ("name", "status", "kept"),
    [
        ("<script>alert(1)</script>", 303, "<script>alert(1)</script>"),
        ("A" * 10_000, 422, None),
        ("\x00\x1b[31m\r\n Zoé \u202e gpj", 303, "[31m Zoé gpj"),
        ("محمد العربي", 303, "محمد العربي"),
        ("=HYPERLINK(1)", 303, "=HYPERLINK(1)"),
        (" \t ", 422, None),
        ("02:00:5e:10:20:30", 422, None),
    ],
)
def test_hostile_names(client, settings, name, status, kept):
    """Kept as they were meant, shown as text, or refused with a word; never an error."""
    answer = client.post(PLACE, data={"name": name.encode("utf-8", "surrogatepass"), "people": "1"})
    assert answer.status_code == status
    assert "<script>alert" not in answer.text
    if kept:
        assert visit_of(settings, answer)[0].name == kept


@pytest.mark.parametrize("people", ["0", "-1", "41", "1e3", "٣", "x", ""])
def test_hostile_numbers(client, people):
    """A number that no group has is refused."""
    assert arrive(client, people=people).status_code == 422


def test_a_store_that_cannot_write_says_so(client, settings):
    """Nobody was told, and the page says it."""
    settings.edge_db.write_bytes(b"not a database" * 100)
    answer = arrive(client)
    assert answer.status_code == 503
    assert "personne n’est prévenu" in answer.text


def test_the_ticket_ends_the_visit(client, settings):
    """Scanned or typed, in whatever spelling; a second time it says so."""
    visit, (ticket,) = visit_of(settings, arrive(client))
    assert "votre visite est terminée" in after(client, "/fr/code", code=f" {ticket.code.lower()}")
    again = after(client, "/fr/code", code=codes.write("exemple", "T", ticket.code))
    assert "déjà servi" in again
    with edge(settings) as connection:
        assert visits.get(connection, visit.id).state == "left"


def test_leaving_by_name_shows_nobody(client, settings):
    """One letter finds nobody; two of the same beginning are not told apart; what is found says only when."""
    place = arrive(client).headers["Location"]
    for name, status in (("Nœ", 422), ("Quelqu'un", 422), ("NOEMIE", 200)):
        answer = client.post("/fr/leaving/name", data={"name": name})
        assert answer.status_code == status
        assert "Ardoise" not in answer.text
        assert "Nœmie" not in answer.text
    arrive(client, name="Noémie Autre")
    assert client.post("/fr/leaving/name", data={"name": "noemie"}).status_code == 422
    key = place.rsplit("/", 1)[1]
    assert "votre visite est terminée" in after(client, f"/fr/leaving/{key}")
    assert client.post(f"/fr/leaving/{uuid.uuid4()}").status_code == 404
    assert client.post("/fr/leaving/nonsense").status_code == 404


@pytest.mark.parametrize(("path", "field"), [("code", "code"), ("leaving/name", "name")])
def test_a_refusal_keeps_what_was_written_and_can_be_seen_otherwise(client, path, field):
    """Nobody writes it twice; contrast, large text or another language then lead to a page, not to an error."""
    page = client.post(f"/fr/{path}", data={field: "ZZZZ1234"}).text
    assert 'value="ZZZZ1234"' in page
    links = re.findall(r'<a href="([^"]+)" class="switch', page)
    assert len(links) >= 3
    assert [client.get(link).status_code for link in links] == [200] * len(links)


def test_an_invitation_is_scanned_and_done(client, settings, now):
    """No form: the visit has arrived under the announced name."""
    announce(settings, now)
    answer = client.post("/fr/code", data={"code": codes.write("exemple", "V", CODE)})
    visit, (ticket,) = visit_of(settings, answer)
    assert (visit.id, visit.name, visit.state, ticket.people) == (INVITED, "Invitée Fictive", "arrived", 2)


def test_a_replayed_invitation_is_refused(client, settings, now):
    """Somebody has come with it: who brings a copy is sent to the reception."""
    announce(settings, now)
    client.post("/fr/code", data={"code": CODE})
    again = client.post("/fr/code", data={"code": CODE, "from": "invited"})
    assert again.status_code == 422
    assert "a déjà servi" in again.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (codes.write("ailleurs", "V", CODE), "autre site"),
        (codes.write("exemple", "V", "0000000000"), "pas connu ici"),
        (codes.write("exemple", "T", CODE), "pas connu ici"),
        ("PARVIS:exemple:V:" + "A" * 5000, "pas un code lisible"),
        ("àà&\"è'", "pas un code lisible"),
        ("https://evil.example/", "pas un code lisible"),
        ("", "pas un code lisible"),
        ("\x00\x01", "pas un code lisible"),
    ],
)
def test_forged_and_foreign_codes_are_refused(client, settings, now, text, said):
    """With a clear word, and nothing begins."""
    announce(settings, now)
    answer = client.post("/fr/code", data={"code": text})
    assert answer.status_code == 422
    assert said in answer.text
    with edge(settings) as connection:
        assert visits.get(connection, INVITED).state == "announced"


@pytest.mark.parametrize(("begin", "end", "said"), [(60, 120, "autre jour"), (-120, -60, "plus valable")])
def test_an_invitation_has_its_day(client, settings, now, begin, end, said):
    """Before and after it opens nothing."""
    announce(settings, now, expected_from=now + begin, expected_until=now + end)
    assert said in client.post("/fr/code", data={"code": CODE}).text


def test_an_invited_person_reads_and_accepts_first(client, settings, now):
    """Where the company asks for it; without accepting nothing begins."""
    announce(settings, now, company="oeuvre")
    page = after(client, "/fr/code", code=CODE)
    assert "Ce que je vois ici reste ici." in page
    assert client.post(f"/fr/invited/{INVITED}").status_code == 422
    assert client.post(f"/fr/invited/{uuid.uuid4()}", data={"accept": "yes"}).status_code == 404
    done = client.post(f"/fr/invited/{INVITED}", data={"accept": "yes"})
    assert visit_of(settings, done)[0].id == INVITED


def test_scans_do_what_typed_codes_do(app, settings, now):
    """A reader's text leads to the same pages; what isn't ours is left to others."""
    announce(settings, now)
    with app.test_request_context("/fr/"):
        app.preprocess_request()
        assert leaving.scanned("scanner", "0034567890128") is None
        assert leaving.scanned("scanner", codes.write("exemple", "S", "ABCDEF")) is None
        assert leaving.scanned("scanner", codes.write("ailleurs", "V", CODE)) == "/fr/leaving?why=foreign"
        assert leaving.scanned("scanner", codes.write("exemple", "V", CODE)) == f"/fr/received/{INVITED}"
        assert leaving.scanned("scanner", codes.write("exemple", "V", CODE)) == "/fr/leaving?why=used"
