# SPDX-License-Identifier: EUPL-1.2
"""Plans, codes, status, my data and limits: what each gives, to whom, and what bad input gets."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from werkzeug import Response

from captive_portal import app as portal_app
from captive_portal import commands, letters, passes, plans
from captive_portal.limits import Limiter, Rate
from edge_core import control, site_codes
from edge_core.store import followed, grants, opposition, usage, vouchers
from edge_core.store.usage import Usage

PHONE, OTHER = "02:11:22:33:44:55", "02:66:77:88:99:aa"
MONDAY = 1_905_148_800.0  # 2030-05-16 10:00 in Paris, a Thursday


@pytest.fixture(autouse=True)
def nudged(monkeypatch):
    monkeypatch.setattr(control, "nudge", lambda _path: True)


@pytest.fixture
def house(app):
    return app.extensions["parvis"]


@pytest.fixture
def publish(house, monkeypatch):
    """Have the park publish plans."""
    known = house.replica.list

    def these(*records):
        monkeypatch.setattr(
            house.replica, "list", lambda name, **named: list(records) if name == "access" else known(name, **named)
        )

    return these


def test_a_kiosks_code_opens_the_wifi_once(phone, house, clock, tmp_path):
    """The gateway has never heard of it, believes the site's signature, and counts it like its own from then on."""
    secret = tmp_path / "site.key"
    secret.write_text("s" * 40)
    site = dataclasses.replace(house.settings.site, key=secret)
    object.__setattr__(house, "settings", dataclasses.replace(house.settings, site=site))
    made = site_codes.make(site_codes.load(secret), site.id, clock.now)
    forged = made[:-1] + ("0" if made[-1] != "0" else "1")
    assert enter(phone, forged).status_code == 422
    enter(phone, site_codes.spoken(made).lower())
    (grant,) = house.edge().execute("SELECT plan, holder FROM grants").fetchall()
    assert (grant["plan"], grant["holder"]) == ("voucher", "voucher:1")
    assert house.edge().execute("SELECT count(*) FROM vouchers").fetchone()[0] == 1


@pytest.fixture
def code(house, clock):
    """Return a function that makes one code."""

    def make(**terms):
        limits = grants.Limits(None, 2000, terms.pop("quota", None))
        given = {"seconds": 3600, "devices": 1, "valid_until": clock.now + 86400, "now": clock.now} | terms
        (made,) = vouchers.make(
            house.edge(), house.voucher_key, batch="b", plan="voucher", limits=limits, count=1, **given
        )
        return made

    return make


def token_of(page):
    return re.search(r'name="token" value="([\w-]+)"', page.text).group(1)


def enter(client, given, **form):
    return client.post("/fr/voucher", data={"token": token_of(client.get("/fr/voucher")), "code": given, **form})


def accept(client):
    return client.post("/fr/accept", data={"token": token_of(client.get("/fr/"))})


CLICK = {"id": "libre", "ways": ["click"], "duration": 3600, "name": {"fr": "Libre"}}


# Plans


def test_a_plan_of_the_park_is_what_a_tap_gives(phone, house, publish, clock):
    """Duration, rates and quota of the published plan stand in the grant, where the gateway reads them."""
    publish(CLICK | {"rate_up": 1000, "rate_down": 5000, "quota": 500_000_000})
    assert accept(phone).status_code == 302
    grant = grants.by_mac(house.edge(), PHONE, clock.now)
    assert (grant.plan, grant.expires_at - clock.now) == ("libre", 3600)
    assert (grant.rate_up, grant.rate_down, grant.quota) == (1000, 5000, 500_000_000)
    page = phone.get("/fr/status").text
    assert "500\N{NO-BREAK SPACE}Mo" in page
    assert "Libre" in page


def test_outside_its_hours_a_plan_gives_nothing_and_says_when_it_opens(phone, house, publish, clock):
    """Closed is closed, whoever sends the form; a session that begins late ends at the closing hour."""
    hours = [{"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "18:30"}]
    publish(CLICK | {"hours": hours})
    token = token_of(phone.get("/fr/"))
    clock.now += 8 * 3600  # 18:00
    accept(phone)
    assert grants.by_mac(house.edge(), PHONE, clock.now).expires_at == clock.now + 1800
    clock.now += 3600
    page = phone.get("/fr/")
    assert "/fr/accept" not in page.text
    assert "Le WiFi ouvre demain à 08:00" in page.text
    answer = phone.post("/fr/accept", data={"token": token})
    assert answer.status_code == 403
    assert "demain à 08:00" in answer.text
    assert grants.active(house.edge(), clock.now) == []


def test_a_park_without_one_tap_offers_its_other_ways_alone(phone, house, publish, clock, code):
    """Where the park publishes plans for codes only, the button is not there, and its form opens nothing."""
    token = token_of(phone.get("/fr/"))
    publish({"id": "visiteur", "ways": ["voucher"], "duration": 3600})
    code()
    page = phone.get("/fr/").text
    assert "/fr/accept" not in page
    assert "J’ai un code" in page
    assert phone.post("/fr/accept", data={"token": token}).status_code == 403
    assert grants.active(house.edge(), clock.now) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": 0},
        {"duration": "long"},
        {"duration": True},
        {"rate_up": -1},
        {"quota": 1.5},
        {"devices": 0},
        {"hours": [{"days": [8], "from": "08:00", "to": "09:00"}]},
        {"hours": [{"days": [1], "from": "25:00", "to": "26:00"}]},
        {"hours": [{"days": [1], "from": "18:00", "to": "08:00"}]},
        {"hours": ["always"]},
        {"id": "../x"},
        {"ways": None},
    ],
)
def test_a_plan_that_makes_no_sense_is_left_out_not_guessed(wrong):
    """Nothing is granted by a record that can't be read; the built-in plans don't take its place either."""
    assert plans.read(CLICK | wrong) is None
    assert plans.read_all([CLICK | wrong], 60) == []


def test_hours_follow_the_clock_of_the_park_over_the_change_of_time():
    """08:00 is 08:00 in winter and in summer, and a day that ends at 24:00 has no gap at midnight."""
    plan = plans.read(
        CLICK | {"duration": 7200, "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "08:00", "to": "24:00"}]}
    )
    spring = 1_901_142_000.0  # 2030-03-31 00:00 in Paris, the night of the change
    assert plan.opens(spring) - spring == 7 * 3600
    assert plan.until(spring + 22.5 * 3600) == spring + 23 * 3600


# Codes


def test_a_code_opens_the_way_for_its_time(phone, house, clock, code):
    """However it is written; the database holds neither the code nor anything from which it could be read."""
    made = code()
    assert enter(phone, f" {made[:5].lower()}-{made[5:].lower()} ").status_code == 302
    grant = grants.by_mac(house.edge(), PHONE, clock.now)
    assert (grant.plan, grant.holder, grant.rate_down) == ("voucher", "voucher:1", 2000)
    assert grant.expires_at == clock.now + 3600
    dump = "\n".join(house.edge().iterdump())
    assert made not in dump
    assert vouchers.spoken(made) not in dump


def test_a_device_with_a_new_address_takes_its_session_along(app, phone, visiting, house, clock, code):
    """The same code on another MAC moves the session with what is left of its time; the first device is offline."""
    made = code()
    enter(phone, made)
    clock.now += 1000
    moved = visiting(app, address="10.77.16.21")
    assert enter(moved, made).status_code == 302
    (grant,) = grants.active(house.edge(), clock.now)
    assert grant.mac == OTHER
    assert grant.expires_at == clock.now + 2600
    ended = house.edge().execute("SELECT end_reason FROM grants WHERE mac = ?", [PHONE]).fetchone()
    assert ended[0] == "moved"


def test_the_quota_of_a_code_counts_over_all_its_sessions(app, phone, visiting, house, clock, code):
    """Moving does not fill it up again, nor does the end of a session; used up is used up."""
    made = code(quota=1000)
    enter(phone, made)
    first = grants.by_mac(house.edge(), PHONE, clock.now)
    usage.record(house.edge(), [(first.id, Usage(up_bytes=300, down_bytes=400))], clock.now)
    moved = visiting(app, address="10.77.16.21")
    enter(moved, made)
    second = grants.by_mac(house.edge(), OTHER, clock.now)
    assert second.quota == 300
    usage.record(house.edge(), [(second.id, Usage(down_bytes=300))], clock.now)
    grants.end(house.edge(), OTHER, "quota", clock.now)
    answer = enter(phone, made)
    assert answer.status_code == 422
    assert "épuisées" in answer.text


def test_two_devices_of_a_code_see_what_is_left_for_both(app, phone, visiting, house, clock, code):
    """What one has used, the other has no more, though both found the whole of it."""
    made = code(quota=1_000_000, devices=2)
    enter(phone, made)
    other = visiting(app, address="10.77.16.21")
    enter(other, made)
    first = grants.by_mac(house.edge(), PHONE, clock.now)
    usage.record(house.edge(), [(first.id, Usage(down_bytes=700_000))], clock.now)
    assert [client.get("/api/captive").json["bytes-remaining"] for client in (phone, other)] == [300_000, 300_000]
    grants.end(house.edge(), PHONE, "logout", clock.now)
    assert other.get("/api/captive").json["bytes-remaining"] == 300_000


@pytest.mark.parametrize(
    ("later", "before", "word"),
    [(0, None, "connu"), (90_000, None, "avant aujourd’hui"), (4000, "use", "écoulé"), (0, "revoke", "retiré")],
)
def test_a_code_that_opens_nothing_says_why(phone, house, clock, code, later, before, word):
    """Unknown, late, over or withdrawn: a clear sentence, and no grant."""
    made = code()
    if before == "use":
        enter(phone, made)
    if before == "revoke":
        vouchers.revoke(house.edge(), [vouchers.get(house.edge(), 1)], clock.now)
    clock.now += later
    answer = enter(phone, made if later or before else "AAAAA-AAAAA")
    assert answer.status_code == 422
    assert word in answer.text
    assert grants.active(house.edge(), clock.now) == []


def test_guessing_is_limited_per_device_and_in_total(app, phone, visiting, neighbours, house, clock, code):
    """Six wrong codes, then 429 with Retry-After, also for the right one; many devices together reach a limit too."""
    made = code()
    answers = [enter(phone, f"AAAA{number:06}").status_code for number in range(7)]
    assert answers == [422] * 6 + [429]
    last = enter(phone, made)
    assert last.status_code == 429
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert "une minute" in last.text
    clock.now += 61
    assert enter(phone, made).status_code == 302
    codes = []
    for number in range(30):
        neighbours[f"10.77.17.{number}"] = f"02:00:00:00:01:{number:02x}"
        crowd = visiting(app, address=f"10.77.17.{number}")
        codes += [enter(crowd, f"BBBB{number:02}{each:04}").status_code for each in range(6)]
    assert codes.count(429) > 0
    assert codes.count(422) <= 130


def test_no_code_can_be_felt_for_letter_by_letter(house, code):
    """What is compared is a keyed digest: of a code with one letter wrong it differs as much as of any other."""
    made = code()
    right = int.from_bytes(vouchers.digest(house.voucher_key, made))
    near = [made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :] for place in range(len(made))]
    apart = [(right ^ int.from_bytes(vouchers.digest(house.voucher_key, other))).bit_count() for other in near]
    assert all(80 < bits < 176 for bits in apart)  # of 256: six standard deviations either way
    assert all(vouchers.find(house.edge(), house.voucher_key, other) is None for other in near)


def test_a_scanned_code_fills_the_form_and_uses_nothing(phone, house, clock, code):
    """The address in a QR code only shows the form: whoever previews it takes nothing."""
    made = code()
    answer = phone.get(f"/v/{made}")
    assert answer.status_code == 302
    page = phone.get(answer.headers["Location"])
    assert f'value="{made}"' in page.text
    assert house.edge().execute("SELECT used_at FROM vouchers").fetchone()[0] is None
    nasty = phone.get('/v/"><script>alert(1)<script>')
    assert "<script>" not in phone.get(nasty.headers["Location"]).text


def test_codes_are_made_listed_printed_and_revoked(settings, house, clock, tmp_path, monkeypatch, phone):
    """The command tells each code once, in a file for its owner alone; revoking ends the sessions."""
    monkeypatch.setattr(commands.clock, "now", lambda: clock.now)
    run, config = CliRunner(), ["--config", str(settings.source)]
    codes, page = tmp_path / "codes.csv", tmp_path / "codes.html"
    made = run.invoke(
        commands.vouchers, ["make", *config, "--count", "3", "--batch", "accueil", "--output", str(codes)]
    )
    assert made.exit_code == 0, made.output
    assert codes.stat().st_mode & 0o77 == 0
    first = codes.read_text().splitlines()[1].split(",")[0]
    assert re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", first)
    assert enter(phone, first).status_code == 302
    listed = json.loads(run.invoke(commands.vouchers, ["list", *config, "--json"]).output)
    assert sorted(each["state"] for each in listed) == ["new", "new", "used"]
    assert first not in json.dumps(listed)
    printed = run.invoke(commands.vouchers, ["print", *config, str(codes), "--output", str(page)])
    assert printed.exit_code == 0, printed.output
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 3
    assert first in html
    assert not re.search(r"(src|href)=", html)
    revoked = run.invoke(commands.vouchers, ["revoke", *config, "--code", first])
    assert "1 vouchers are revoked, 1 sessions ended" in revoked.output
    assert grants.active(house.edge(), clock.now) == []
    assert isinstance(run.invoke(commands.vouchers, ["revoke", *config]).exception, Exception)


def test_setting_the_clock_costs_a_code_no_time(app, phone, visiting, house, clock, code):
    """A device that booted without a clock sets it years ahead: the session and its code have the same time left."""
    made = code()
    enter(phone, made)
    clock.now += 1000 + 1e8
    assert followed.shift(house.edge(), 1e8, 1) == 1
    moved = visiting(app, address="10.77.16.21")
    assert enter(moved, made).status_code == 302
    assert grants.by_mac(house.edge(), OTHER, clock.now).expires_at == clock.now + 2600


# Status


def test_the_end_is_told_before_it_comes_and_one_tap_puts_it_off(phone, house, publish, clock):
    """The page comes again by itself when five minutes are left, warns, and a tap gives the whole time again."""
    publish(CLICK | {"extensions": 1})
    accept(phone)
    assert phone.get("/fr/status").headers["Refresh"] == "3301"
    clock.now += 3400
    page = phone.get("/fr/status")
    assert "Un geste la prolonge" in page.text
    assert phone.get("/api/captive").get_json(force=True)["can-extend-session"] is True
    for _ in range(2):  # a double tap is one extension
        assert phone.post("/fr/extend", data={"token": token_of(page)}).status_code == 302
    grant = grants.by_mac(house.edge(), PHONE, clock.now)
    assert (grant.expires_at, grant.extended) == (clock.now + 3600, 1)
    clock.now += 3400
    assert phone.get("/api/captive").get_json(force=True)["can-extend-session"] is False
    last = phone.get("/fr/status").text
    assert "/fr/extend" not in last
    assert "Terminez" in last


def test_what_is_left_of_the_data_is_told(phone, house, publish, clock):
    """To the person, with a warning near the end, and to the device's own system (RFC 8908, bytes-remaining)."""
    publish(CLICK | {"quota": 1_000_000})
    accept(phone)
    grant = grants.by_mac(house.edge(), PHONE, clock.now)
    usage.record(house.edge(), [(grant.id, Usage(up_bytes=100_000, down_bytes=850_000))], clock.now)
    page = phone.get("/fr/status")
    assert "50\N{NO-BREAK SPACE}ko" in page.text
    assert "presque finie" in page.text
    assert int(page.headers["Refresh"]) <= 121
    assert phone.get("/api/captive").get_json(force=True)["bytes-remaining"] == 50_000


def test_two_taps_at_the_same_moment_are_one_extension(phone, house, publish, clock, monkeypatch):
    """The other tap comes between our look at the session and our change: it has done what was asked."""
    publish(CLICK | {"extensions": 8})
    accept(phone)
    clock.now += 3400
    token, extend = token_of(phone.get("/fr/status")), grants.extend

    def after_another(edge, mac, until, most, now):
        extend(edge, mac, until - 0.001, most, now)
        return extend(edge, mac, until, most, now)

    monkeypatch.setattr(grants, "extend", after_another)
    assert phone.post("/fr/extend", data={"token": token}).status_code == 302
    assert grants.by_mac(house.edge(), PHONE, clock.now).extended == 1


def test_a_problem_is_passed_on_once_and_names_nobody(phone, house, clock):
    """The report becomes a request with the state of the connection, and no address of the device."""
    page = phone.get("/fr/problem").text
    hidden = dict(re.findall(r'name="(token|once)" value="([\w-]+)"', page))
    assert phone.post("/fr/problem", data=hidden | {"comment": " "}).status_code == 422
    answers = [phone.post("/fr/problem", data=hidden | {"comment": "Pas de réseau au bâtiment B"}) for _ in range(2)]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    (row,) = house.edge().execute("SELECT kind, subject, data FROM requests").fetchall()
    assert (row["kind"], row["subject"]) == ("message", "problem")
    assert json.loads(row["data"]) == {"comment": "Pas de réseau au bâtiment B", "connection": "offline"}
    assert "Notée" in phone.get(answers[0].headers["Location"]).text or answers[0].status_code == 302


# My data


def test_all_that_is_held_is_shown_taken_away_and_erased(app, phone, visiting, house, clock):
    """What the page and the file say is what the database holds; after erasing, neither knows the device."""
    assert "Rien n’est gardé" in phone.get("/fr/my-data").text
    accept(phone)
    page = phone.get("/fr/my-data")
    assert PHONE in page.text
    taken = phone.get("/fr/my-data.json")
    assert taken.headers["Content-Disposition"].startswith("attachment")
    held = taken.get_json()["held"]
    assert held["address"]["data"] == {"mac": PHONE}
    assert held["session"]["data"]["plan"] == "click-through"
    assert PHONE not in visiting(app, address="10.77.16.21").get("/fr/my-data.json").text
    assert phone.post("/fr/erase", data={"token": token_of(page)}).status_code == 302
    assert "dans un instant" in phone.get("/fr/my-data?erased=1").text
    (ended,) = grants.unclosed(house.edge(), clock.now)  # as the agent does, which tells the end
    usage.close(house.edge(), [(ended, Usage())], clock.now)
    assert "l’a oublié" in phone.get("/fr/my-data?erased=1").text
    assert phone.get("/fr/my-data.json").get_json()["held"] == {}
    assert PHONE not in "\n".join(house.edge().iterdump())


def test_no_page_of_a_device_is_for_others(phone):
    """What a page says of one device is stored by nobody on the way."""
    accept(phone)
    for path in ("status", "my-data", "my-data.json", "voucher"):
        assert "no-store" in phone.get(f"/fr/{path}").headers["Cache-Control"]


# Limits


def test_forms_without_end_are_refused_and_the_refusal_ends(phone, clock):
    """A device that sends forms without pause is told to wait, how long, and is served again after that."""
    token = token_of(phone.get("/fr/"))
    answers = [phone.post("/fr/logout", data={"token": token}) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    clock.now += int(refused[0].headers["Retry-After"])
    assert phone.post("/fr/logout", data={"token": token}).status_code == 302


def test_no_letter_is_sent_to_who_may_not_read_it(settings, neighbours, clock, visiting, monkeypatch):
    """Whose minutes for reading mail are used up is refused before the letter is sent, and not after."""
    sent = []
    monkeypatch.setattr(letters, "send", lambda _settings, to, *_rest: sent.append(to))
    mail = dataclasses.replace(settings.mail, server="smtp://mail.example", sender="wifi@parc.example")
    made = portal_app.create_app(dataclasses.replace(settings, mail=mail), lambda: clock.now)
    client, codes = visiting(made), []
    for number in range(4):
        form = {"token": token_of(client.get("/fr/mail")), "email": f"somebody{number}@parc.example"}
        codes.append(client.post("/fr/mail", data=form).status_code)
        clock.now += settings.access.pre_grant + 1
    assert codes == [200, 200, 200, 429]
    assert len(sent) == 3
    made.extensions["parvis"].replica.close()
    made.extensions["parvis"].edge().close()


def test_a_limit_holds_for_all_together_and_forgets_within_bounds():
    """Many devices reach the total; what is remembered stays bounded; a clock set back gives nothing."""
    limiter = Limiter(Rate(2, 10), Rate(5, 1))
    assert [limiter.take(f"d{number}", 100.0) for number in range(7)] == [0] * 5 + [1, 1]
    assert limiter.wait("d9", 0.0) > 0
    large = Limiter(Rate(1, 1e9), Rate(10**9, 1e-9))
    for number in range(20_000):
        large.take(str(number), 100.0)
    assert len(large._keys) <= 8192


def test_the_built_in_plans_give_every_way():
    """A park that publishes no plan has one for each way."""
    ways = {way for plan in plans.built_in(60) for way in plan.ways}
    assert ways == {plans.CLICK, plans.VOUCHER, plans.SIGN_IN, plans.MAIL}
    assert all(dataclasses.is_dataclass(plan) for plan in plans.built_in(60))


def test_the_pass_and_my_data_are_read_over_tls_where_there_is_a_certificate(settings, neighbours, clock, visiting):
    """With a certificate, the links that lead to the pass are HTTPS, and so is its cookie."""
    portal = dataclasses.replace(settings.portal, tls_certificate=Path("x"), tls_key=Path("y"))
    sign_in = dataclasses.replace(settings.sign_in, issuer="https://id.example", client_id="p")
    made = portal_app.create_app(dataclasses.replace(settings, portal=portal, sign_in=sign_in), lambda: clock.now)
    page = visiting(made).get("/fr/").text
    assert 'href="https://wifi.parc.example/fr/sign-in"' in page
    assert 'href="https://wifi.parc.example/fr/my-data"' in page
    answer = Response()
    with made.test_request_context():
        passes.hand_out(answer, "somebody")
    assert "; Secure" in answer.headers["Set-Cookie"]
    assert "; HttpOnly" in answer.headers["Set-Cookie"]
    made.extensions["parvis"].replica.close()
    made.extensions["parvis"].edge().close()


def test_one_tap_leaves_a_device_out_of_the_counts(app, phone, visiting, house):
    """Without a cookie, again and back; the list holds no address, and another device's choice is its own."""
    page = phone.get("/fr/my-data")
    assert "Ne pas compter cet appareil" in page.text
    assert "quatre millions d’adresses" in page.text
    for _ in range(2):
        tapped = phone.post("/fr/counting", data={"token": token_of(page), "choice": "out"})
        assert (tapped.status_code, tapped.headers.get("Set-Cookie")) == (302, None)
    assert "Cet appareil n’est pas compté" in phone.get("/fr/my-data").text
    assert opposition.is_opposed(house.edge(), PHONE)
    assert not opposition.is_opposed(house.edge(), OTHER)
    assert "n’est pas compté" not in visiting(app, address="10.77.16.21").get("/fr/my-data").text
    dump = "\n".join(house.edge().iterdump()).lower()
    assert PHONE not in dump
    assert PHONE.replace(":", "") not in dump
    phone.post("/fr/counting", data={"token": token_of(phone.get("/fr/my-data")), "choice": "in"})
    assert not opposition.is_opposed(house.edge(), PHONE)


def test_a_choice_that_is_none_changes_nothing(phone, house):
    """A made-up choice, and a form of another device."""
    token = token_of(phone.get("/fr/my-data"))
    assert phone.post("/fr/counting", data={"token": token, "choice": "perhaps"}).status_code == 400
    assert phone.post("/fr/counting", data={"token": "x", "choice": "out"}).status_code == 403
    assert phone.get("/fr/counting").status_code == 302
    assert opposition.load(house.edge()) == (b"", frozenset())
