# SPDX-License-Identifier: EUPL-1.2
"""Asking for something and following it: seats, messages, payment, states; and the one-tap question."""

import re

import pytest

from edge_core import live
from edge_core.store import database, outbox, quotas, requests, surveys


def hidden(page):
    return dict(re.findall(r'name="(token|once)" value="([\w-]+)"', page))


@pytest.fixture
def edge(app, settings):
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def ask(phone, path, **given):
    answer = phone.post(path, data=hidden(phone.get(path).text) | given)
    assert answer.status_code == 302, answer.text
    return re.search(r"/requests/([0-9a-f-]{36})", answer.headers["Location"])[1]


def reply(edge, key, state, reason=None, reference=None):
    with database.write(edge):
        requests.apply_reply(edge, request=key, state=state, reason=reason, reference=reference, now=0.0)


def test_the_catalogue_has_all_there_is(phone):
    """Services by what they are for, events with seats, small ads that are not over, the question."""
    page = phone.get("/fr/services").text
    for words in ("Salles et bureaux", "Salle Galet", "Se déplacer", "Garder une place", "Deux bureaux à donner"):
        assert words in page
    assert "Comment trouvez-vous l’accueil" in page
    assert "Annonce passée" not in page
    assert "Marché des producteurs" not in page


def test_a_seat_at_an_event(phone, edge):
    """An event with seats is asked for like a service; more than it gives is refused; without seats, no form."""
    key = ask(phone, "/fr/events/atelier/seat", people="2")
    found = requests.get(edge, key)
    assert (found.kind, found.subject, found.data) == ("event", "atelier", {"people": "2"})
    assert "22 mai" in phone.get(f"/fr/requests/{key}").text or "demain" in phone.get(f"/fr/requests/{key}").text
    form = hidden(phone.get("/fr/events/atelier/seat").text)
    assert phone.post("/fr/events/atelier/seat", data=form | {"people": "5"}).status_code == 422
    assert phone.get("/fr/events/marche/seat").status_code == 404
    assert phone.get("/fr/events/nothing/seat").status_code == 404


SAID = {
    "fr": ("Confirmé", "Provisoire\xa0: nous confirmons dès que possible"),
    "en": ("Confirmed", "Provisional: we confirm as soon as possible"),
    "es": ("Confirmado", "Provisional: lo confirmamos en cuanto sea posible"),
    "oc": ("Confirmat", "Provisòri\xa0: que confirmam tanlèu com possible"),
}


@pytest.mark.parametrize("language", SAID)
def test_a_seat_is_confirmed_within_the_lease_and_provisional_beyond(phone, edge, clock, language):
    """Two seats are leased: who takes them reads that they are theirs, whoever comes later that it must be seen."""
    lease = quotas.Lease(
        id="0191d2bf-2b30-7a41-8c22-7d8e9f0a1b2c", kind="event", subject="atelier", slot="", each="person", units=2,
        until=clock.now + 60,
    )  # fmt: skip
    with database.write(edge):
        quotas.grant(edge, lease)
    confirmed, provisional = SAID[language]
    first = ask(phone, f"/{language}/events/atelier/seat", people="2")
    assert confirmed in phone.get(f"/{language}/requests/{first}").text
    second = ask(phone, f"/{language}/events/atelier/seat", people="1")
    page = phone.get(f"/{language}/requests/{second}").text
    assert provisional in page
    assert confirmed not in page
    reply(edge, second, "accepted")
    assert provisional not in phone.get(f"/{language}/requests/{second}").text


def test_no_seat_once_it_has_begun(phone, clock):
    """The form closes when the event starts."""
    clock.now += 3 * 86400
    assert phone.get("/fr/events/atelier/seat").status_code == 404
    assert "/events/atelier/seat" not in phone.get("/fr/events/atelier").text


def test_a_message_is_answered_on_its_page(phone, edge):
    """Who writes to the park reads the answer where the message was left."""
    key = ask(phone, "/fr/services/message", message="La porte nord grince.")
    assert "La réponse sera sur cette page" in phone.get(f"/fr/requests/{key}").text
    reply(edge, key, "done", reason="Merci, c’est huilé <b>.")
    page = phone.get(f"/fr/requests/{key}").text
    assert "Merci, c’est huilé &lt;b&gt;." in page
    assert "grince" not in page


def test_sent_when_the_platform_has_it(phone, edge):
    """Noted while it waits, sent once the platform has acknowledged it, then whatever the platform answers."""
    key = ask(phone, "/fr/services/message", message="Bonjour")
    assert "C’est noté" in phone.get(f"/fr/requests/{key}").text
    with database.write(edge):
        outbox.acknowledge(edge, outbox.last_seq(edge))
    assert "C’est noté" not in phone.get(f"/fr/requests/{key}").text
    reply(edge, key, "waitlisted")
    assert "liste d’attente" in phone.get(f"/fr/requests/{key}").text


def test_one_device_asks_for_so_much_and_no_more(phone, edge, app, visiting):
    """What is asked for is kept for weeks: nobody fills the device with it, and nobody else is kept from asking."""
    for number in range(20):
        ask(phone, "/fr/services/message", message=f"{number}")
    form = hidden(phone.get("/fr/services/message").text) | {"message": "20"}
    answer = phone.post("/fr/services/message", data=form)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert phone.post("/fr/problem", data=form | {"comment": "20"}).status_code == 429
    assert edge.execute("SELECT count(*) FROM requests").fetchone()[0] == 20
    ask(visiting(app, "10.77.16.21"), "/fr/services/message", message="20")


def test_payment_is_handed_off(phone, edge):
    """Once accepted, a link leads to the provider's own address with the request and its reference, and only then."""
    key = ask(phone, "/fr/services/site-express", date="2030-05-22")
    assert "pay.example" not in phone.get(f"/fr/requests/{key}").text
    reply(edge, key, "accepted", reference="R 7&x")
    assert (
        f'href="https://pay.example/p?shop=1&amp;request={key}&amp;reference=R+7%26x"'
        in phone.get(f"/fr/requests/{key}").text
    )
    reply(edge, key, "done")
    assert "pay.example" not in phone.get(f"/fr/requests/{key}").text


def test_one_tap_is_counted_once_and_says_nothing_of_who(phone, edge, app, visiting):
    """A device counts once however often it taps; the event holds the choice, and no trace of the device."""
    form = hidden(phone.get("/fr/survey/accueil").text)
    for _ in range(3):
        assert phone.post("/fr/survey/accueil", data=form | {"choice": "good"}).status_code == 302
    other = visiting(app, "10.77.16.21")
    other.post("/fr/survey/accueil", data=hidden(other.get("/fr/survey/accueil").text) | {"choice": "poor"})
    rows = [row for row in outbox.read_after(edge, 0, 100) if "survey" in row[2]]
    assert len(rows) == 2
    assert all("02:11" not in row[2] and "02:66" not in row[2] for row in rows)
    assert dict(edge.execute("SELECT choice, number FROM answers").fetchall()) == {"good": 1, "poor": 1}
    assert "Merci, c’est compté" in phone.get("/fr/survey/accueil").text
    assert "<meter" not in phone.get("/fr/survey/accueil").text  # of two answers, one's own would show


def test_made_up_devices_can_answer_so_often_and_no_more(edge, monkeypatch):
    """Beyond what a site has of devices, answers are somebody's invention: none is counted, kept or told."""
    monkeypatch.setattr(surveys, "MOST", 2)
    took = [
        surveys.answer(edge, survey="accueil", choice="poor", device=name, place="portal", now=0.0) for name in "abc"
    ]
    assert took == [True, True, False]
    assert not surveys.has_answered(edge, "accueil", "c")
    assert outbox.last_seq(edge) == 2


def test_a_tap_from_elsewhere_or_of_nothing(phone, app, visiting):
    """No token, a choice that isn't one, an unknown question: refused, nothing is counted."""
    assert phone.post("/fr/survey/accueil", data={"choice": "good"}).status_code == 403
    form = hidden(phone.get("/fr/survey/accueil").text)
    assert phone.post("/fr/survey/accueil", data=form | {"choice": "great"}).status_code == 400
    assert phone.get("/fr/survey/nothing").status_code == 404
    assert visiting(app, "10.77.16.21").post("/fr/survey/accueil", data=form | {"choice": "good"}).status_code == 403


def test_what_waits_for_the_internet_says_so(phone, settings):
    """While the uplink is cut a request leaves later, by itself; its page does not promise "in a moment"."""
    key = ask(phone, "/fr/services/message", message="Bonjour.")
    assert "dans un instant" in phone.get(f"/fr/requests/{key}").text
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    (settings.run_dir / "uplink.json").write_text('{"up": false, "since": 1905573600}')
    page = phone.get(f"/fr/requests/{key}").text
    assert "dès qu’Internet reviendra" in page
    assert "dans un instant" not in page
    assert "Prix" not in page  # a message has none


@pytest.mark.parametrize(("people", "age", "said"), [
    (25, 0, "environ 25 appareils"), (None, 0, "inconnue"), (25, 3000, "inconnue"), (25, 4000, None),
])  # fmt: skip
def test_the_queue_at_lunch_is_told_while_it_is_known(phone, settings, clock, people, age, said):
    """From the counts of a gateway of the site; what is stale is unknown, what nobody watches is not told."""
    word = {"at": clock.now - age, "seconds": 300, "place": "Café <Exemple>", "people": people}
    live.write(settings.run_dir, {"queue": {"gateway-2": word}})
    page = phone.get("/fr/services").text
    assert said in page if said else "File à" not in page, page
    assert "<Exemple>" not in page
