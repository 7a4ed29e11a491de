# SPDX-License-Identifier: EUPL-1.2
"""Signing in by a real OpenID Connect provider on loopback, and what happens when it is away or lies."""

import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

from captive_portal import app as portal_app
from captive_portal import provider
from captive_portal.provider import Provider, ProviderError
from edge_core.settings import load
from edge_core.settings_sections import SignIn
from edge_core.store import database, grants
from lab.provider.app import Client, create_app

pytestmark = pytest.mark.integration
SECRET = "a secret of the lab"


class Zone:
    """A portal without enforcement, where each address is a device of its own, and a provider."""

    def __init__(self, folder, changes=None, hours="", walled="", secret=SECRET):
        self.back = "http://localhost/sign-in/back"
        self.provider = make_server(
            "127.0.0.1", 0, create_app(Client("portal", secret, (self.back,)), changes), threaded=True
        )
        self.thread = threading.Thread(target=self.provider.serve_forever, daemon=True)
        self.thread.start()
        self.issuer = f"http://127.0.0.1:{self.provider.server_port}"
        (folder / "secret").write_text(SECRET + "\n")
        path = folder / "parvis.toml"
        path.write_text(
            f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\n'
            f'state_dir = "{folder}/state"\n[portal]\nhostname = "wifi.parc.example"\n[enforcement]\nmode = "none"\n'
            f'[sign_in]\nissuer = "{self.issuer}"\nclient_id = "portal"\nclient_secret = "{folder}/secret"\n'
            f"[walled_garden]\nhosts = [{walled}]\n"
        )
        self.settings = load(path, {})
        database.migrate(self.settings)
        self.app = portal_app.create_app(self.settings)
        self.app.config["TESTING"] = False

    def phone(self, address="10.77.16.20"):
        phone = self.app.test_client()
        phone.environ_base |= {"REMOTE_ADDR": address, "HTTP_ACCEPT_LANGUAGE": "fr"}
        return phone

    def begin(self, phone):
        """Tap the button; return the page that leads to the provider."""
        token = re.search(r'name="token" value="([\w-]+)"', phone.get("/fr/sign-in").text).group(1)
        return phone.post("/fr/sign-in", data={"token": token})

    def at_provider(self, page, who):
        """Do what a person does at the provider; return the address that it sends them back to."""
        address = page.headers["Refresh"].partition("url=")[2]
        answer = requests.post(address, data={"sub": who}, allow_redirects=False, timeout=5)
        return answer.headers["Location"]

    def active(self):
        with self.app.app_context():
            house = self.app.extensions["parvis"]
            return grants.active(house.edge(), house.now())

    def stop(self):
        self.provider.shutdown()
        self.provider.server_close()
        self.thread.join(5)

    def close(self):
        self.stop()
        house = self.app.extensions["parvis"]
        house.replica.close()
        if getattr(house._local, "edge", None) is not None:
            house._local.edge.close()


@pytest.fixture
def zone(tmp_path, request):
    made = Zone(tmp_path, **getattr(request, "param", {}))
    yield made
    made.close()


def path_of(address):
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def test_somebody_signs_in_and_is_online(zone):
    """There by PKCE with a nonce, back with a code, online by the members' plan; no name is kept anywhere."""
    phone = zone.phone()
    leaving = zone.begin(phone)
    asked = parse_qs(urlsplit(leaving.headers["Refresh"].partition("url=")[2]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    (meanwhile,) = zone.active()
    assert meanwhile.plan == "pre-grant"
    assert meanwhile.expires_at - meanwhile.created_at == 300
    assert meanwhile.quota
    assert meanwhile.rate_down
    answer = phone.get(path_of(zone.at_provider(leaving, "somebody@entreprise.example")))
    assert answer.status_code == 302
    assert urlsplit(answer.headers["Location"]).path == "/fr/connected"
    (grant,) = zone.active()
    assert grant.plan == "member"
    assert re.fullmatch(r"person:[\w-]{22}", grant.holder)
    files = b"".join(path.read_bytes() for path in zone.settings.device.state_dir.rglob("*") if path.is_file())
    assert b"somebody" not in files


def test_the_pass_lets_the_same_person_in_while_the_provider_is_away(zone):
    """Signed in once, the browser's pass opens the way again; a forged or stale one, or none, opens nothing."""
    phone = zone.phone()
    phone.get(path_of(zone.at_provider(zone.begin(phone), "member-1")))
    (before,) = zone.active()
    token = re.search(r'name="token" value="([\w-]+)"', phone.get("/fr/status").text).group(1)
    phone.post("/fr/logout", data={"token": token})
    zone.app.extensions["parvis"].provider._known = None
    zone.stop()
    away = zone.begin(phone)
    assert away.status_code == 503
    assert "laissez-passer" in away.text
    assert phone.post("/fr/sign-in/pass", data={"token": token}).status_code == 302
    (after,) = zone.active()
    assert (after.plan, after.holder) == ("member", before.holder)
    other = zone.phone("10.77.16.21")
    own = re.search(r'name="token" value="([\w-]+)"', other.get("/fr/sign-in").text).group(1)
    assert other.post("/fr/sign-in/pass", data={"token": own}).status_code == 403
    other.set_cookie("parvis_pass", "eyJwZXJzb24iOiJ4IiwidW50aWwiOjk5OTk5OTk5OTl9.forged")
    assert other.post("/fr/sign-in/pass", data={"token": own}).status_code == 403
    assert len(zone.active()) == 1


def test_a_provider_that_says_nothing_does_not_hold_up_the_portal(monkeypatch):
    """Of a crowd few wait for it; once it was found to be away nobody does for a while, then it is asked again."""
    monkeypatch.setattr(provider, "_SECONDS", 0.5)
    monkeypatch.setattr(provider, "_PATIENCE", 60.0)
    now = 1000.0
    monkeypatch.setattr(provider.clock, "monotonic", lambda: now)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        mute.settimeout(0)
        asked = Provider(SignIn(issuer=f"http://127.0.0.1:{mute.getsockname()[1]}", client_id="portal"))

        def ask(_number=0):
            with pytest.raises(ProviderError) as refused:
                asked.address(redirect="http://localhost/", state="s", verifier="v" * 43, nonce="n", now=now)
            return refused.value.away

        with ThreadPoolExecutor(16) as crowd:
            assert all(crowd.map(ask, range(16)))
        assert 1 <= heard(mute) <= 4
        assert ask()
        assert heard(mute) == 0
        now += 11
        assert ask()
        assert heard(mute) == 1


def heard(server):
    """Return how many have connected to a server that accepts nobody."""
    number = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_what_comes_back_to_another_device_opens_nothing(zone):
    """A stolen answer of the provider is worthless elsewhere, and so is one that was tampered with or never asked."""
    phone, thief = zone.phone(), zone.phone("10.77.16.21")
    back = path_of(zone.at_provider(zone.begin(phone), "member-1"))
    assert thief.get(back).status_code == 403
    assert phone.get(back.replace("state=", "state=x")).status_code == 403
    for query in ("", "?code=x", "?error=access_denied", "?code=x&state=" + "y" * 900):
        assert phone.get("/sign-in/back" + query).status_code == 403
    assert {grant.plan for grant in zone.active()} == {"pre-grant"}
    assert phone.get(back).status_code == 302
    used_again = phone.get(back)
    assert used_again.status_code == 403  # a code is good once
    assert "code=" not in re.sub(r"<main.*</main>", "", used_again.text, flags=re.DOTALL)


STRANGER = RSAKey.generate_key(2048)


@pytest.mark.parametrize(
    "zone",
    [
        {"changes": {"iss": "https://other.example"}},
        {"changes": {"key": STRANGER}},
        {"changes": {"exp": 1_700_000_000}},
        {"changes": {"aud": ["another portal"]}},
        {"secret": "another secret"},
    ],
    indirect=True,
    ids=["issuer", "key", "expired", "audience", "secret"],
)
def test_an_id_token_that_is_not_to_be_believed_lets_nobody_in(zone):
    """Wrong issuer, key, time, audience, or a client that the provider doesn't know: a clear page, and no grant."""
    phone = zone.phone()
    answer = phone.get(path_of(zone.at_provider(zone.begin(phone), "member-1")))
    assert answer.status_code == 403
    assert "n’a pas confirmé" in answer.text
    assert {grant.plan for grant in zone.active()} == {"pre-grant"}


def test_a_person_has_as_many_devices_as_the_plan_says(zone):
    """The fourth device of somebody takes the place of the first; each sees the others and can log them out."""
    phones = [zone.phone(f"10.77.16.{number}") for number in range(30, 34)]
    for phone in phones:
        phone.get(path_of(zone.at_provider(zone.begin(phone), "member-1")))
    held = zone.active()
    assert len(held) == 3
    assert "Mes autres appareils" in phones[3].get("/fr/status").text
    assert 'class="big"' not in phones[0].get("/fr/status").text
    page = phones[3].get("/fr/status").text
    token = re.search(r'name="token" value="([\w-]+)"', page).group(1)
    session = re.search(r'name="session" value="([\w-]+)"', page).group(1)
    stranger = zone.phone("10.77.16.99")
    stranger_token = re.search(r'name="token" value="([\w-]+)"', stranger.get("/fr/sign-in").text).group(1)
    stranger.post("/fr/devices", data={"token": stranger_token, "session": session})
    assert len(zone.active()) == 3
    phones[3].post("/fr/devices", data={"token": token, "session": session})
    assert len(zone.active()) == 2


def test_the_minutes_before_signing_in_do_not_add_up(zone):
    """A device gets three pre-grants, then is asked to wait."""
    phone = zone.phone()
    house = zone.app.extensions["parvis"]
    answers = []
    for _ in range(4):
        answers.append(zone.begin(phone).status_code)
        with zone.app.app_context():
            for grant in grants.active(house.edge(), house.now()):
                grants.end(house.edge(), grant.mac, "test", house.now())
    assert answers == [200, 200, 200, 429]


@pytest.mark.parametrize("zone", [{"walled": '"127.0.0.1"'}], indirect=True)
def test_a_provider_in_the_walled_garden_needs_no_access_before(zone):
    """Where guests reach the provider anyway, nothing is granted before they have signed in."""
    phone = zone.phone()
    leaving = zone.begin(phone)
    assert zone.active() == []
    assert phone.get(path_of(zone.at_provider(leaving, "member-1"))).status_code == 302
