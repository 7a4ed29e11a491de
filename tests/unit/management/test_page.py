# SPDX-License-Identifier: EUPL-1.2
"""The device page: nobody enters without the password, no form from elsewhere counts, what is shown is the device's."""

import os
import re
from contextlib import closing

import argon2
import pytest
from click.testing import CliRunner

from edge_core import clock, sessions
from edge_core.cli import main as cli
from edge_core.errors import ParvisError
from edge_core.settings import load
from edge_core.store import database, followed, grants, usage
from edge_core.web import charts
from management import batches, keeper
from management.app import create_app
from management.history import History, Point

PASSWORD = "trois mots de passe"
MAC = "02:50:00:00:00:2a"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What is kept of the password; slow on purpose, so made once."""
    return keeper.passwords.make(PASSWORD)


@pytest.fixture
def gateway(settings, kept, answers):
    """A gateway with a guest online, its agent's word at hand."""
    with settings.source.open("a", encoding="utf-8") as file:
        file.write(
            '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.1.0-10.77.1.250"\n[wan]\n'
            'interface = "lo"\ndns = ["192.0.2.53"]\n[portal]\nhostname = "wifi.parc.example"\n'
        )
    found = load(settings.source, {})
    keeper.file_of(found).write_text(kept, encoding="ascii")
    with closing(database.open_edge(found.edge_db)) as edge:
        grants.accept(edge, MAC, "free", 3600, clock.now())
    return found


@pytest.fixture
def tick():
    return [1000.0]


@pytest.fixture
def browser(gateway, tick):
    """A browser that isn't signed in."""
    return create_app(gateway, lambda: tick[0]).test_client()


@pytest.fixture
def inside(browser):
    """A browser that is."""
    assert sign_in(browser).headers["Location"] == "/"
    return browser


def sign_in(browser, password=PASSWORD, **named):
    return browser.post("/door", data={"password": password}, **named)


def key(browser):
    return re.search(r'name="key" value="([^"]+)"', browser.get("/").text)[1]


def session_of(settings):
    with closing(database.open_edge(settings.edge_db)) as edge:
        return grants.active(edge, clock.now())


def test_nobody_sees_anything_without_the_password(browser, gateway):
    """Neither page nor fragment, and no form does anything; metrics and health stay as they were."""
    (held,) = session_of(gateway)
    for path in ("/", "/live"):
        assert browser.get(path).headers["Location"] == "/door"
    for path in (f"/session/{held.session}/end", "/vouchers", "/vouchers/revoke", "/leave"):
        assert browser.post(path, data={"key": "x"}).headers["Location"] == "/door"
    assert session_of(gateway) == [held]
    assert browser.get("/health").status_code == 200
    assert browser.get("/metrics").status_code == 200


def test_without_a_password_nobody_enters(gateway):
    """The page says what to do on the device."""
    keeper.file_of(gateway).unlink()
    browser = create_app(gateway).test_client()
    assert "parvis management password" in browser.get("/door").text
    assert sign_in(browser, "").status_code == 403


def test_the_cookie_is_worth_nothing_elsewhere(browser):
    """HttpOnly, SameSite, Secure under TLS; and the strict policy stands on each answer."""
    answer = sign_in(browser)
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
    assert "; Secure" in sign_in(browser, base_url="https://device.example").headers["Set-Cookie"]
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_thousand_wrong_passwords_are_a_handful_of_tries(browser, monkeypatch, tick):
    """The slow hash is asked a few times only; then the right one is refused too, for a quarter of an hour."""
    asked = []
    monkeypatch.setattr(keeper.passwords, "check", lambda _kept, given: asked.append(given) or given == PASSWORD)
    answers = [sign_in(browser, f"wrong {number}").status_code for number in range(1000)]
    assert (answers.count(403), answers.count(429)) == (keeper.MOST_FROM_ONE, 1000 - keeper.MOST_FROM_ONE)
    assert len(asked) == keeper.MOST_FROM_ONE
    assert sign_in(browser).status_code == 429
    tick[0] += keeper.WINDOW + 1
    assert sign_in(browser).status_code == 303


def test_tries_from_everywhere_are_limited_together(browser, monkeypatch):
    """Many addresses don't help; memory is bounded."""
    monkeypatch.setattr(keeper.passwords, "check", lambda *_: False)
    codes = [
        sign_in(browser, "x", environ_base={"REMOTE_ADDR": f"10.0.{number // 250}.{number % 250}"}).status_code
        for number in range(300)
    ]
    assert codes.count(403) == keeper.MOST_TRIES


@pytest.mark.parametrize(("used", "passed"), [(0.0, keeper.IDLE + 1), (keeper.IDLE / 2, keeper.LASTS + 1)])
def test_a_session_ends(inside, tick, used, passed):
    """By an hour without a look, and after twelve in any case."""
    end = tick[0] + passed
    while used and tick[0] + used < end:
        tick[0] += used
        inside.get("/")
    tick[0] = end
    assert inside.get("/").headers["Location"] == "/door"


def test_signing_out_ends_it(inside):
    """The cookie of before opens nothing."""
    inside.post("/leave", data={"key": key(inside)})
    assert inside.get("/").headers["Location"] == "/door"


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
])  # fmt: skip
def test_a_form_from_elsewhere_does_nothing(inside, gateway, headers):
    """Also with the cookie and the right key; and one of our own without the key doesn't either."""
    (held,) = session_of(gateway)
    place, good = f"/session/{held.session}/end", key(inside)
    assert inside.post(place, data={"key": good}, headers=headers).status_code == 403
    for wrong in ({}, {"key": ""}, {"key": good[:-1]}, {"key": "é"}):
        assert inside.post(place, data=wrong).status_code == 403
    assert session_of(gateway) == [held]


def test_sessions_are_extended_ended_and_blocked(inside, gateway):
    """What the buttons do is in the store; a session that is gone is told with what to look at."""
    (held,) = session_of(gateway)
    form = {"key": key(inside)}
    assert MAC in inside.get("/").text
    inside.post(f"/session/{held.session}/extend", data=form)
    assert session_of(gateway)[0].expires_at == held.expires_at + 3600
    assert "fait" in inside.get("/").text
    inside.post(f"/session/{held.session}/block", data=form)
    assert session_of(gateway) == []
    with closing(database.open_edge(gateway.edge_db)) as edge:
        assert followed.blocked(edge, None) == {MAC}
    inside.post(f"/session/{held.session}/end", data=form)
    assert "There is no session" in inside.get("/").text
    assert inside.post(f"/session/{held.session}/explode", data=form).status_code == 404


def test_vouchers_are_made_printed_once_and_revoked(inside, gateway):
    """A page with as many codes, its own style let in by hash alone; nonsense is refused in words."""
    form = {"key": key(inside), "count": "3", "days": "7", "batch": "Salon"}
    page = inside.post("/vouchers", data=form)
    assert page.status_code == 200, inside.get("/").text
    codes = re.findall(r'class="code">([0-9A-Z]{5}-[0-9A-Z]{5})<', page.text)
    assert len(set(codes)) == 3
    assert "sha256-" in page.headers["Content-Security-Policy"]
    shown = inside.get("/").text
    assert "Salon" in shown
    assert not any(code in shown for code in codes)
    inside.post("/vouchers/revoke", data={"key": form["key"], "batch": "Salon"})
    assert "3 révoqués" in inside.get("/").text
    for wrong in ({"count": "0"}, {"count": "100000"}, {"days": "-1"}, {"batch": "--help"}, {"batch": "a\nb"}):
        assert inside.post("/vouchers", data={**form, **wrong}).status_code == 303
        assert 'class="word bad"' in inside.get("/").text
    assert inside.post("/vouchers", data={**form, "count": "many"}).status_code == 400


def test_a_broken_store_is_told(inside, gateway):
    """The page says what to run instead of failing."""
    gateway.edge_db.write_bytes(b"no database" * 1000)
    page = inside.get("/")
    assert page.status_code == 200
    assert "parvis doctor" in page.text


def test_the_password_is_set_by_the_command(settings):
    """Long enough or refused; kept as a hash that others can't read."""
    words = ["management", "password", "--config", str(settings.source), "--password"]
    with pytest.raises(ParvisError, match="characters"):
        CliRunner().invoke(cli.parvis, [*words, "short"], catch_exceptions=False)
    assert "is set" in CliRunner().invoke(cli.parvis, [*words, PASSWORD], catch_exceptions=False).output
    kept = keeper.file_of(settings)
    assert PASSWORD not in kept.read_text()
    assert kept.stat().st_mode & 0o007 == 0
    assert keeper.passwords.check(kept.read_text(), PASSWORD)


def test_charts_hold_no_script_no_style_and_no_markup_of_others():
    """A strict policy lets them in; too few points draw nothing; gaps are left out."""
    points = [(1_800_000_000.0 + n * 5, None if n % 7 == 0 else float(n)) for n in range(50)]
    drawn = str(charts.line('<b>"Guests"', points))
    assert "<script" not in drawn
    assert "style" not in drawn
    assert "<b>" not in drawn
    assert charts.line("x", points[:2]) is None
    assert charts.line("x", [(n, 0.0) for n in range(3)]) is not None


def test_the_last_hour_is_kept_and_no_more(busy_reading):
    """A point each five seconds at most; rates from the interface's counters, none over a counter that began anew."""
    history = History()
    for number in range(1000):
        history.add(busy_reading(number * 2.5, (number * 1000, number * 500)))
    points = history.points()
    assert len(points) == 500
    assert {round(point.down) for point in points[1:]} == {400}
    for number in range(2000):
        history.add(busy_reading(2500 + number * 5.0, (0, 0)))
    assert len(history.points()) == 720
    assert isinstance(history.points()[0], Point)


def test_the_last_hour_goes_on_when_the_clock_is_set_back(busy_reading):
    """The charts begin anew, rather than standing still until the clock is where it was."""
    history = History()
    for moment in (90_000.0, 90_005.0, 3600.0, 3605.0):
        history.add(busy_reading(moment, (0, 0)))
    assert [point.at for point in history.points()] == [3600.0, 3605.0]
    assert batches.policy("<p>").startswith("default-src 'none'; style-src 'none'")


@pytest.fixture
def busy_reading(gateway):
    from dataclasses import replace  # noqa: PLC0415

    from management import readings  # noqa: PLC0415

    first = readings.take(gateway, 0.0)
    return lambda at, counted: replace(first, taken=at, uplink_bytes=counted)


def test_a_full_park_costs_a_page_no_more_than_its_first_sessions(inside, gateway):
    """Two hundred are shown, the others are counted, and their traffic as it was written down."""
    now = clock.now()
    with closing(database.open_edge(gateway.edge_db)) as edge, database.write(edge):
        words = "INSERT INTO grants (session, mac, plan, created_at, expires_at) VALUES (?, ?, 'free', ?, ?)"
        edge.executemany(words, [(f"{n:036d}", f"02:51:00:00:{n >> 8:02x}:{n & 255:02x}", now, now + 3600)
                                 for n in range(300)])  # fmt: skip
        usage.record(edge, [(grant.id, usage.Usage(2, 1, 3, 1)) for grant in grants.active(edge, now)], now)
    text = inside.get("/").text
    assert text.count('class="actions"') == 200
    assert "Sessions <small>301</small>" in text
    assert sessions.summary(gateway, {}) == {"active": 301, "up_bytes": 602, "down_bytes": 903}
    assert sessions.summary(gateway, {"traffic": [5, 6]})["down_bytes"] == 6


def test_a_sign_in_takes_little_memory_and_an_older_password_holds():
    """Twelve at once fit beside the page into the unit's limit; what was kept with other settings is still right."""
    found = argon2.extract_parameters(keeper.passwords.make("x"))
    assert found.memory_cost <= 8 * 1024
    assert found.memory_cost * found.time_cost >= 7 * 1024 * 5, "weaker than what OWASP holds for enough"
    older = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD)
    assert keeper.passwords.check(older, PASSWORD)
    assert not keeper.passwords.check(older, "another")


def test_the_picture_of_a_kiosk_is_shown_to_who_is_signed_in(gateway, tick, tmp_path):
    """With its time; nothing where there is none, and nobody else gets it."""
    picture = tmp_path / "screen.png"
    app = create_app(gateway, lambda: tick[0], picture)
    stranger, inside = app.test_client(), app.test_client()
    sign_in(inside)
    assert "/screen/" not in inside.get("/").text
    picture.write_bytes(b"\x89PNG a picture")
    os.utime(picture, (1_800_000_000, 1_800_000_000))
    address = re.search(r'src="(/screen/\d+\.png)"', inside.get("/live").text)[1]
    shown = inside.get(address)
    assert (shown.data, shown.mimetype) == (b"\x89PNG a picture", "image/png")
    assert stranger.get(address).status_code != 200
    assert inside.get("/screen/1.png").headers["Cache-Control"] == "no-store"
    picture.unlink()
    assert inside.get(address).status_code == 404
