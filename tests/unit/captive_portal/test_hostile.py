# SPDX-License-Identifier: EUPL-1.2
"""Every route, whatever is sent to it, in any order, with any clock: no failure, and nothing granted that shouldn't be.

`make soak` sends 50,000 requests; a normal run sends fewer of the same kind. A seed that fails is in the test's name.
"""

import dataclasses
import os
import random
import re
import string
from collections import Counter
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal import app as portal_app
from captive_portal import letters
from captive_portal.provider import ProviderError
from captive_portal.seal import Seal
from edge_core import control
from edge_core.settings import load
from edge_core.store import grants, vouchers

from .conftest import NOW, configuration, fill

NASTY = [
    "", " ", "\0", "\r\nSet-Cookie: a=b", "\r\nLocation: http://evil.example", "<script>alert(1)</script>",
    "'; DROP TABLE grants; --", "../../etc/passwd", "%00", "%ff%fe", "é" * 300, "\U0001d54f" * 100, "A" * 5000,
    "{{7*7}}", "${jndi:ldap://x}", "\u202e", "\ud800", "http://evil.example/", "//evil.example", "-1", "NaN", "1e999",
    "[]", "null", "AAAAA-AAAAA", "a@b.example", "a@b.example\nBcc: x@y.example", "2030-05-22", "99999999-99-99",
    "javascript:alert(1)", "🙂", "\x7f", "ﬀ", "İ",
]  # fmt: skip
FIELDS = [
    "token", "once", "code", "email", "comment", "session", "to", "s", "date", "time", "people", "message", "answer",
    "state", "error", "q", "place", "text", "choice", "name", "title",
]  # fmt: skip
ADDRESSES = ["10.77.16.20", "10.77.16.21", "fd00:77::20", "192.0.2.7", "127.0.0.1", "", "nonsense"]
HOSTS = ["wifi.parc.example"] * 12 + ["evil.example", "", "a:99999", "[::1", "x" * 3000, "captive.apple.com", "a\tb"]
METHODS = ["GET"] * 5 + ["POST"] * 6 + ["HEAD", "PUT", "OPTIONS", "DELETE"]
KNOWN_PLANS = {"click-through", "voucher", "member", "mail", "pre-grant"}


class Provider:
    """A provider that is away, lies, or knows everybody."""

    def __init__(self, chance):
        self.chance = chance

    def address(self, **_named):
        self._fail()
        return "https://id.example/authorize?state=x"

    def subject(self, _code, **_named):
        self._fail()
        return f"somebody-{self.chance.randrange(3)}"

    def _fail(self):
        if self.chance.random() < 0.5:
            raise ProviderError("no", away=self.chance.random() < 0.5)


class Storm:
    """Sends one request after the other, and watches what comes of it."""

    def __init__(self, folder, seed):
        self.chance = random.Random(seed)
        self.now = NOW
        path = configuration(folder, "nftables").source
        path.write_text(
            path.read_text()
            + '[sign_in]\nissuer = "https://id.example"\nclient_id = "p"\n'
            + '[mail]\nserver = "smtp://mail.example"\nsender = "wifi@parc.example"\n'
        )
        self.settings = load(path, {})
        fill(self.settings)
        self.app = portal_app.create_app(self.settings, lambda: self.now)
        house = dataclasses.replace(self.app.extensions["parvis"], provider=Provider(self.chance))
        self.app.extensions["parvis"] = self.house = house
        self.rules = [rule for rule in self.app.url_map.iter_rules() if rule.endpoint != "static"]
        self.client = self.app.test_client()
        self.statuses, self.reached = Counter(), Counter()

    def path(self):
        rule = self.chance.choice(self.rules)
        if self.chance.random() < 0.03:
            return "/" + quote(self.chance.choice(NASTY), errors="replace")
        words = ["salle-galet", "terms", "velos", "rez-de-chaussee", "AAAAABBBBB", self.word()]
        named = {name: self.chance.choice(words).replace("/", "x") or "x" for name in rule.arguments}
        if "lang" in named:
            named["lang"] = self.chance.choice(["fr", "en", "es", "oc"])
        self.reached[rule.endpoint] += 1
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: quote(named[part[1]], errors="replace"), rule.rule)

    def word(self):
        if self.chance.random() < 0.7:
            return self.chance.choice(NASTY)
        return "".join(self.chance.choices(string.printable + "éœß漢", k=self.chance.randrange(40)))

    def form(self, key):
        found = {name: self.word() for name in self.chance.sample(FIELDS, self.chance.randrange(6))}
        if self.chance.random() < 0.8:
            found["token"] = self.house.seal.make("form", key)
        if self.chance.random() < 0.3:
            found["code"] = self.chance.choice(self.codes)
        if self.chance.random() < 0.3:
            found["email"] = f"p{self.chance.randrange(9)}@entreprise.example"
        return {name: value.encode("utf-8", "replace").decode() for name, value in found.items()}

    def send(self):
        self.now += self.chance.choice([0, 0, 1, 7, 60, 3600, -30, -100_000]) if self.chance.random() < 0.5 else 2
        address = self.chance.choice(ADDRESSES)
        key = {"10.77.16.21": "02:66:77:88:99:aa"}.get(address, "02:11:22:33:44:55")
        environ = {"REMOTE_ADDR": address, "HTTP_HOST": self.chance.choice(HOSTS), "HTTP_ACCEPT_LANGUAGE": self.plain()}
        if self.chance.random() < 0.1:
            environ[
                "HTTP_" + self.chance.choice(["ORIGIN", "COOKIE", "REFERER", "IF_NONE_MATCH", "ACCEPT_ENCODING"])
            ] = self.plain()
        if self.chance.random() < 0.1:
            environ["HTTP_COOKIE"] = "parvis_pass=" + self.plain()
        method = self.chance.choice(METHODS)
        query = {name: self.word().encode("utf-8", "replace").decode() for name in self.chance.sample(FIELDS, 2)}
        data = self.form(key) if method == "POST" else None
        answer = self.client.open(self.path(), method=method, data=data, query_string=query, environ_overrides=environ)
        self.check(answer, method, data, key)

    def plain(self):
        return self.word().encode("latin-1", "replace").decode("latin-1").replace("\r", " ").replace("\n", " ")

    def check(self, answer, method, data, key):
        self.statuses[answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code == 503, (answer.status_code, answer.text[:300])
        assert "Set-Cookie" not in answer.headers or "parvis_pass=" in answer.headers["Set-Cookie"]
        where = answer.headers.get("Location", "")
        assert where.startswith(("/", "http://wifi.parc.example/")) or not where, where
        assert not where.startswith("//")
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
        if answer.mimetype == "text/html" and method != "HEAD":
            assert "<script>alert" not in answer.text
        answer.close()

    def close(self):
        self.house.replica.close()
        if getattr(self.house._local, "edge", None) is not None:
            self.house._local.edge.close()


@pytest.fixture
def storm(tmp_path, neighbours, monkeypatch, request):
    made = Storm(tmp_path, request.param)
    monkeypatch.setattr(control, "nudge", lambda _path: made.chance.random() < 0.9)

    def send(*_given):
        if made.chance.random() < 0.3:
            raise letters.LetterError("no")

    monkeypatch.setattr(letters, "send", send)
    made.codes = vouchers.make(
        made.house.edge(), made.house.voucher_key, batch="b", plan="voucher", seconds=3600, limits=grants.Limits(),
        devices=2, count=20, valid_until=made.now + 10**7, now=made.now,
    )  # fmt: skip
    yield made
    made.close()


def run(storm, count):
    for _ in range(count):
        storm.send()
    edge = storm.house.edge()
    rows = edge.execute("SELECT mac, plan FROM grants").fetchall()
    assert {row["plan"] for row in rows} <= KNOWN_PLANS
    assert {row["mac"] for row in rows} <= {"02:11:22:33:44:55", "02:66:77:88:99:aa", ""}
    open_now = edge.execute("SELECT mac, count(*) FROM grants WHERE ended_at IS NULL GROUP BY mac").fetchall()
    assert all(row[1] == 1 for row in open_now)
    sent = edge.execute("SELECT count(*) FROM outbox WHERE type LIKE '%session.started%'").fetchone()[0]
    assert sent == len(rows)  # every grant was told, none without one
    assert len(storm.reached) == len({rule.endpoint for rule in storm.rules})


@pytest.mark.parametrize("storm", [1], indirect=True)
def test_no_request_makes_the_portal_fail(storm):
    """Each route, with bad bytes, forged tokens, foreign hosts, clocks that jump: never a 500, never a false grant."""
    run(storm, 2000)


@pytest.mark.soak
@pytest.mark.skipif("PARVIS_SOAK" not in os.environ, reason="long: make soak")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("storm", [2030], indirect=True)
def test_fifty_thousand_requests(storm):
    """The same, 50,000 times."""
    run(storm, 50_000)
    print(sorted(storm.statuses.items()))


@given(st.text(), st.text(), st.floats(allow_nan=False))
def test_what_was_not_sealed_here_is_nothing(text, purpose, now):
    """Any text, any purpose, any clock: opened is only what was sealed, for that purpose, within its time."""
    seal = Seal(b"k" * 32)
    assert seal.open(text, purpose, now) is None
    sealed = seal.close("pass", {"person": text}, 2e9)
    assert seal.open(sealed, "pass", 1e9) == ({"person": text, "until": 2_000_000_000} if len(sealed) <= 2000 else None)
    assert seal.open(sealed, "mail", 1e9) is None
    assert seal.open(sealed, "pass", 2e9) is None
    assert seal.open(sealed + "A", "pass", 1e9) is None
