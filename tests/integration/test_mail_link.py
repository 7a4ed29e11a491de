# SPDX-License-Identifier: EUPL-1.2
"""Going online by a link in an e-mail, through a real mail server on loopback."""

import email
import email.policy
import re
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from captive_portal import app as portal_app
from edge_core.settings import load
from edge_core.store import database, grants
from lab.ports import free_port

pytestmark = pytest.mark.integration


class Post(Message):
    """Keeps the letters."""

    def __init__(self):
        super().__init__()
        self.letters = []

    def prepare_message(self, session, envelope):
        return email.message_from_bytes(envelope.content, policy=email.policy.default)

    def handle_message(self, message):
        self.letters.append(message)


class Zone:
    """A portal without enforcement, where each address is a device of its own, and a mail server."""

    def __init__(self, folder):
        self.post = Post()
        self.server = Controller(self.post, hostname="127.0.0.1", port=free_port())
        self.server.start()
        path = folder / "parvis.toml"
        path.write_text(
            f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\n'
            f'state_dir = "{folder}/state"\n[portal]\nhostname = "wifi.parc.example"\n[enforcement]\nmode = "none"\n'
            f'[mail]\nserver = "smtp://127.0.0.1:{self.server.port}"\nsender = "wifi@parc.example"\n'
        )
        self.settings = load(path, {})
        database.migrate(self.settings)
        self.app = portal_app.create_app(self.settings, lambda: self.now)
        self.app.config["TESTING"] = False
        self.now = 1_905_580_800.0

    def phone(self, address="10.77.16.20", language="fr"):
        phone = self.app.test_client()
        phone.environ_base |= {"REMOTE_ADDR": address, "HTTP_ACCEPT_LANGUAGE": language}
        return phone

    def ask(self, phone, address="quelquun@entreprise.example", lang="fr"):
        token = re.search(r'name="token" value="([\w-]+)"', phone.get(f"/{lang}/mail").text).group(1)
        return phone.post(f"/{lang}/mail", data={"token": token, "email": address})

    def link(self):
        found = re.search(r"http\S+", self.post.letters[-1].get_content()).group(0)
        return urlsplit(found)

    def use(self, phone, path):
        page = phone.get(path)
        found = re.search(r'name="token" value="([\w-]+)"', page.text)
        other = re.search(r'name="token" value="([\w-]+)"', phone.get("/fr/mail").text)
        return phone.post(path, data={"token": (found or other).group(1)})

    def active(self):
        return grants.active(self.app.extensions["parvis"].edge(), self.now)

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def close(self):
        self.stop()
        house = self.app.extensions["parvis"]
        house.replica.close()
        if getattr(house._local, "edge", None) is not None:
            house._local.edge.close()


@pytest.fixture
def zone(tmp_path):
    made = Zone(tmp_path)
    yield made
    made.close()


def test_a_link_in_an_e_mail_opens_the_way(zone):
    """Minutes to read it, a link with our own name, a button, and the device is online; no address is kept."""
    phone = zone.phone()
    answer = zone.ask(phone)
    assert answer.status_code == 200
    assert "en route" in answer.text
    (meanwhile,) = zone.active()
    assert (meanwhile.plan, meanwhile.expires_at - zone.now) == ("pre-grant", 300)
    (letter,) = zone.post.letters
    assert letter["To"] == "quelquun@entreprise.example"
    assert letter["Subject"] == "Votre lien pour le WiFi de Parc Exemple"
    link = zone.link()
    assert link.netloc == "wifi.parc.example"
    assert "Votre lien est bon" in phone.get(link.path).text
    assert {grant.plan for grant in zone.active()} == {"pre-grant"}  # a look uses nothing
    assert zone.use(phone, link.path).status_code == 302
    (grant,) = zone.active()
    assert grant.plan == "mail"
    files = b"".join(path.read_bytes() for path in zone.settings.device.state_dir.rglob("*") if path.is_file())
    assert b"quelquun" not in files


@pytest.mark.parametrize(("lang", "word"), [("en", "Your link"), ("es", "Su enlace"), ("oc", "ligam entau WiFi")])
def test_the_letter_speaks_the_language_of_the_page(zone, lang, word):
    """Who reads Spanish gets a Spanish letter."""
    zone.ask(zone.phone(), lang=lang)
    assert word in zone.post.letters[0]["Subject"]


def test_a_stolen_or_old_link_opens_nothing(zone):
    """Another device gets a clear page and nothing else, also by the form; after half an hour, its own device too."""
    phone, thief = zone.phone(), zone.phone("10.77.16.21")
    zone.ask(phone)
    path = zone.link().path
    stolen = thief.get(path)
    assert stolen.status_code == 403
    assert "autre appareil" in stolen.text
    assert zone.use(thief, path).status_code == 403
    assert phone.get(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 403
    assert phone.get("/fr/mail/x").status_code == 403
    zone.now += 1801
    assert zone.use(phone, path).status_code == 403
    assert zone.active() == []


@pytest.mark.parametrize(
    "address",
    ["", "x", "a@b", "a@b.example\nBcc: c@d.example", "a@b.example, c@d.example", "<a@b.example>", "a b@c.example"],
)
def test_what_is_no_address_gets_no_letter(zone, address):
    """Nothing that could add a receiver or a header reaches the mail server."""
    assert zone.ask(zone.phone(), address).status_code == 422
    assert zone.post.letters == []
    assert zone.active() == []


def test_nobody_is_flooded_with_letters(zone):
    """A device sends three, and a mailbox gets three, from however many devices; then 429."""
    phone = zone.phone()
    assert [zone.ask(phone, f"p{n}@entreprise.example").status_code for n in range(4)] == [200, 200, 200, 429]
    crowd = [zone.ask(zone.phone(f"10.77.18.{n}"), "cible@entreprise.example").status_code for n in range(5)]
    assert crowd == [200, 200, 200, 429, 429]


def test_a_mail_server_that_is_away_is_told_and_grants_nothing(zone):
    """The page says so with 503, keeps what was written, and opens no way."""
    zone.stop()
    answer = zone.ask(zone.phone())
    assert answer.status_code == 503
    assert "ne peut pas être envoyé" in answer.text
    assert zone.active() == []
