# SPDX-License-Identifier: EUPL-1.2
"""`parvis enroll` against the reference platform's desk: a one-use code, renewal, revocation by Mosquitto."""

import json
import shutil
import sqlite3
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_core import identity, roles, settings
from edge_core.errors import ParvisError
from edge_core.store import database, requests
from lab.faults.site import Process, listening, until
from lab.platform.enrolment import mosquitto
from lab.platform.enrolment.desk import Desk, Place
from lab.platform.enrolment.web import Server, Tries
from lab.ports import free_port
from sync.enrolment import desk as client
from sync.enrolment import joining, keeping, renewal
from sync.enrolment.commands import enroll
from sync.enrolment.ticket import parse

pytestmark = pytest.mark.integration
CONTRACT = Path(__file__).parents[2] / "contracts" / "enrolment"
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
HOUR = timedelta(hours=1)


class Counter:
    """A desk that is open, and the tickets that it gives."""

    def __init__(self, folder, served_at=None):
        self.desk = Desk.open(folder)
        self.folder = folder
        self.desk.authority.serve_as(["127.0.0.1"], served_at or datetime.now(UTC))
        self.desk.authority.own("platform", "platform", [], datetime.now(UTC))
        self.server = Server(self.desk, "127.0.0.1", 0)
        self.server.start()
        self.desk.register.setting("address", f"127.0.0.1:{self.server.port}")
        self.broker = f"mqtts://127.0.0.1:{free_port()}"

    def ticket(self, device, now=None, **more):
        place = Place("parc", "Le parc", device, **{"broker": self.broker, **more})
        return self.desk.ticket(place, now or datetime.now(UTC))


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    made = Counter(tmp_path_factory.mktemp("desk"))
    yield made
    made.server.end()


@pytest.fixture
def wrong_tries(counter, monkeypatch):
    """Forget wrong tries of the tests before."""
    monkeypatch.setattr(Tries, "wait", lambda _self, _address: 0.0)


def enrol(folder, ticket, *words):
    """Run `parvis enroll` for the device in a folder; return the result of the command."""
    command = ["--config", str(folder / "parvis.toml"), "--state-dir", str(folder / "state"), "--json", *words]
    return CliRunner().invoke(enroll, command, input=ticket)


def joined(folder, ticket):
    """Enrol and return the state folder."""
    done = enrol(folder, ticket)
    assert done.exit_code == 0, done.exception
    return folder / "state"


def everything(folder):
    """Return every file below a folder and what is in it, without a key that waits for its certificate."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "pending.key"
    }


def with_part(ticket, number, part):
    parts = ticket.split("/")
    return "/".join([*parts[:number], part, *parts[number + 1 :]])


def valid(name, value):
    Draft202012Validator(json.loads((CONTRACT / f"{name}.schema.json").read_text())).validate(value)


def test_a_ticket_makes_a_device_and_its_settings_follow(counter, tmp_path):
    """From nothing: identity, key, certificate, a configuration that loads, and where broker and authority are."""
    ticket = counter.ticket("kiosk-1")
    looked = enrol(tmp_path, ticket, "--dry-run")
    assert json.loads(looked.stdout)["device"] == "kiosk-1"
    assert not (tmp_path / "state").exists()
    state = joined(tmp_path, ticket)
    loaded = settings.load(tmp_path / "parvis.toml", {})
    assert (loaded.site.id, loaded.site.name, loaded.device.id) == ("parc", "Le parc", "kiosk-1")
    assert loaded.mqtt.url == counter.broker
    assert loaded.mqtt.key.stat().st_mode & 0o777 == 0o640
    facts, certificate = renewal.present(state)
    assert certificate.subject.rfc4514_string() == "CN=parc/kiosk-1"
    assert facts.desk == f"127.0.0.1:{counter.server.port}"
    assert not (state / "identity" / "pending.key").exists()
    told = CliRunner().invoke(enroll, ["--config", str(tmp_path / "parvis.toml"), "status"])
    assert "certificate good for 90 days" in told.stdout


def test_a_file_says_more_than_the_identity_and_may_not_contradict_it(counter, tmp_path):
    """What the file names wins; a configuration of another device is refused at start, naming both."""
    joined(tmp_path, counter.ticket("kiosk-2"))
    config = tmp_path / "parvis.toml"
    config.write_text(config.read_text() + '[mqtt]\nurl = "mqtts://10.77.0.1:8884"\n')
    loaded = settings.load(config, {})
    assert loaded.mqtt.url == "mqtts://10.77.0.1:8884"
    assert loaded.mqtt.certificate == identity.files(tmp_path / "state") / "device.pem"
    config.write_text(config.read_text().replace("kiosk-2", "kiosk-9"))
    with pytest.raises(ParvisError, match="enrolled as parc/kiosk-2"):
        settings.load(config, {})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda ticket: "hello", "is not a ticket"),
        (lambda ticket: with_part(ticket, 3, "A" * 40), "cut or mistyped"),
        (lambda ticket: with_part(ticket, 2, "0000-0000-0000-0000"), "no such code"),
        (lambda ticket: with_part(ticket, 3, "A" * 43), "somebody may be in between. No code was sent"),
        (lambda ticket: with_part(ticket, 4, "B" * 43), "root of the content"),
        (lambda ticket: with_part(ticket, 1, "127.0.0.1:1"), "can't be reached"),
    ],
)  # fmt: skip
def test_a_wrong_ticket_is_refused_and_the_device_stays_as_it_was(counter, tmp_path, wrong_tries, spoil, said):
    """Each refusal says what is wrong; no file of an enrolled device changes, and a good ticket is still good after."""
    state = joined(tmp_path, counter.ticket("kiosk-3"))
    before, good = everything(state), counter.ticket("kiosk-3")
    done = enrol(tmp_path, spoil(good), "--replace")
    assert said in str(done.exception)
    assert parse(good).code not in str(done.exception).replace("-", "")
    assert everything(state) == before
    assert enrol(tmp_path, good, "--replace").exit_code == 0


def test_an_expired_code_is_refused(counter, tmp_path):
    """A ticket ends."""
    done = enrol(tmp_path, counter.ticket("kiosk-4", datetime.now(UTC) - 100 * HOUR))
    assert "time is over" in str(done.exception)
    assert not (tmp_path / "state").exists()


def test_a_code_is_for_one_machine_which_may_ask_again(counter, tmp_path):
    """An answer that was lost can be asked for again by the same key; a copy of the label gives nothing."""
    ticket = parse(counter.ticket("kiosk-5"))
    place, _ = joining.look(ticket)
    key = keeping.key_for_asking(tmp_path / "one" / "state" / "identity")
    lost = place.answer("device", {"code": ticket.code, "csr": keeping.request_of(key)})
    valid("identity", lost)
    facts = joining.join(ticket, place, tmp_path / "one" / "state")
    assert facts.device == "kiosk-5"
    assert (identity.files(tmp_path / "one/state") / "device.pem").read_text().startswith(lost["certificate"])
    with pytest.raises(client.RefusedError, match="used by another machine") as refused:
        joining.join(ticket, place, tmp_path / "two" / "state")
    assert refused.value.word == "code-used"
    assert everything(tmp_path / "two") == {}


def test_another_devices_ticket_is_not_used_up(counter, tmp_path):
    """A technician in front of the wrong box is told so, and the ticket is still good for the right one."""
    (tmp_path / "parvis.toml").write_text(
        f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "kiosk-7"\nstate_dir = "{tmp_path}/state"\n'
    )
    ticket = counter.ticket("kiosk-6")
    done = enrol(tmp_path, ticket)
    assert "The ticket is for parc/kiosk-6" in str(done.exception)
    assert "not used up" in str(done.exception)
    joined(tmp_path / "right", ticket)


def test_an_enrolled_device_is_not_enrolled_by_mistake(counter, tmp_path):
    """A second ticket needs --replace, and then the first identity's certificate is revoked."""
    state = joined(tmp_path, counter.ticket("kiosk-8"))
    old = Desk.certificates(counter.desk)[0]["serial"]
    second = counter.ticket("kiosk-8")
    assert "enrolled already, as parc/kiosk-8" in str(enrol(tmp_path, second).exception)
    assert enrol(tmp_path, second, "--replace").exit_code == 0
    rows = {row["serial"]: row for row in counter.desk.certificates()}
    assert rows[old]["reason"] == "replaced"
    assert rows[f"{renewal.present(state)[1].serial_number:x}"]["revoked_at"] is None


@pytest.mark.parametrize("ahead", [timedelta(days=400), timedelta(days=-400)])
def test_a_wrong_clock_is_named_with_its_time(tmp_path, ahead):
    """Where desk and device live in different years, the device says what its clock says and how to set it."""
    counter = Counter(tmp_path / "desk", datetime.now(UTC) + ahead)
    try:
        done = enrol(tmp_path, counter.ticket("kiosk-1"))
        assert f"By this device's clock ({datetime.now(UTC):%Y-%m-%d}" in str(done.exception)
        assert "timedatectl" in str(done.exception)
        assert not (tmp_path / "state").exists()
    finally:
        counter.server.end()


@pytest.fixture
def fresh_counter(tmp_path):
    made = Counter(tmp_path / "desk")
    yield made
    made.server.end()


def test_who_tries_codes_has_to_wait(fresh_counter):
    """After ten wrong codes in a minute an address is told to wait, right code or not; others are not."""
    counter = fresh_counter
    place, ticket = client.known_by(parse(counter.ticket("kiosk-1"))), parse(counter.ticket("kiosk-1"))
    words = []
    for _ in range(11):
        with pytest.raises(client.RefusedError) as refused:
            place.answer("look", {"code": "0" * 16})
        words.append(refused.value.word)
    assert words == ["code-unknown"] * 10 + ["too-many"]
    with pytest.raises(client.RefusedError, match="Wait"):
        place.answer("look", {"code": ticket.code})
    clock = [0.0]
    tries = Tries(lambda: clock[0])
    for _ in range(10):
        tries.wrong("192.0.2.1")
    assert (tries.wait("192.0.2.1"), tries.wait("192.0.2.2")) == (60.0, 0.0)
    clock[0] = 61.0
    assert tries.wait("192.0.2.1") == 0.0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"code": 1}', b'{"code": "' + b"x" * 9000 + b'"}', b'{"code": "\\u0000"}', b"\xff"]
)
def test_nonsense_is_refused_by_the_contract(counter, wrong_tries, body):
    """Whatever is posted, the answer is a problem of the contract, and the desk goes on."""
    context = ssl.create_default_context(cadata=counter.desk.authority.pem.decode())
    import http.client  # noqa: PLC0415

    link = http.client.HTTPSConnection("127.0.0.1", counter.server.port, context=context, timeout=20)
    link.request("POST", "/enrolment/1/device", body=body, headers={"Content-Type": "application/json"})
    answer = link.getresponse()
    valid("problem", json.loads(answer.read()))
    assert answer.status in (400, 404)
    link.close()


def test_renewal_overlaps_and_a_copy_is_found_out(counter, tmp_path):
    """Due after two thirds; the new certificate has a new key, the old one stays good; a copy's renewal is refused."""
    state = joined(tmp_path, counter.ticket("kiosk-10"))
    shutil.copytree(tmp_path, tmp_path.with_name("copy"), symlinks=True)
    _, first = renewal.present(state)
    now = datetime.now(UTC)
    assert not renewal.renew(state, now)
    assert (renewal.due(first, now + timedelta(days=59)), renewal.due(first, now + timedelta(days=61))) == (False, True)
    assert renewal.renew(state, now, always=True)
    _, second = renewal.present(state)
    assert second.public_key() != first.public_key()
    mine = {row["serial"]: row["revoked_at"] for row in counter.desk.certificates() if row["device"] == "kiosk-10"}
    assert mine == {f"{each.serial_number:x}": None for each in (first, second)}
    with pytest.raises(client.RefusedError, match="Another machine has renewed"):
        renewal.renew(tmp_path.with_name("copy") / "state", now, always=True)
    assert renewal.renew(state, now, always=True)


def test_a_copy_on_other_hardware_says_so(counter, tmp_path, monkeypatch):
    """A card that was copied to another machine is told by `parvis enroll status`."""
    monkeypatch.setattr(joining.lives, "machine", lambda: "serial-1")
    state = joined(tmp_path, counter.ticket("kiosk-11"))
    facts, _ = renewal.present(state)
    assert not renewal.is_copy(facts)
    monkeypatch.setattr(renewal.lives, "machine", lambda: "serial-2")
    told = CliRunner().invoke(enroll, ["--config", str(tmp_path / "parvis.toml"), "status"])
    assert "given to another machine" in told.stdout


def test_a_gateways_broker_has_all_from_its_identity(counter, tmp_path):
    """Bridge, listener for the site's devices, and the list of revoked ones, which the broker reads when it changes."""
    state = joined(tmp_path, counter.ticket("gateway-8", bridge=True, names=("10.77.0.1",)))
    config = tmp_path / "parvis.toml"
    config.write_text(config.read_text() + '[broker]\nlan = "127.0.0.1:8884"\n[enforcement]\nmode = "none"\n')
    loaded = settings.load(config, {})
    files, found = identity.files(state), loaded.broker
    assert (found.bridge, found.key, found.lan_key) == (counter.broker, files / "device.key", files / "device.key")
    assert found.lan_revoked == state / "identity" / "revoked.pem"
    assert found.lan_revoked.exists()
    program = next(each for each in roles.programs("gateway", loaded) if each.name == "broker")
    files = [found.lan_revoked, found.lan_certificate, found.lan_key]
    assert program.reread == (files if MOSQUITTO else [])
    assert renewal.present(state)[1].subject.rfc4514_string() == "CN=parc"


def test_a_list_of_revoked_ones_only_moves_forward(counter, tmp_path):
    """A gateway follows the authority's list; an older one, or another authority's, is not taken."""
    state = joined(tmp_path, counter.ticket("gateway-9", bridge=True, names=("127.0.0.1",)))
    assert not renewal.follow_revoked(state)
    counter.desk.publish_revoked(datetime.now(UTC))
    assert renewal.follow_revoked(state)
    old = (state / "identity" / "revoked.pem").read_bytes()
    assert not renewal.follow_revoked(state)
    counter.desk.publish_revoked(datetime.now(UTC))
    assert renewal.follow_revoked(state)
    ca = counter.desk.authority.pem
    assert not keeping.keep_revoked(state, old, ca)
    foreign = Desk.open(tmp_path / "other").authority.revoke([], 99, datetime.now(UTC))
    with pytest.raises(ParvisError, match="not the authority's"):
        keeping.keep_revoked(state, foreign, ca)


@pytest.fixture
def broker(counter, tmp_path):
    """The platform's Mosquitto as the desk configures it."""
    port = int(counter.broker.rpartition(":")[2])
    file = tmp_path / "mosquitto.conf"
    file.write_text(mosquitto.configuration(counter.folder, "127.0.0.1", port))
    process = Process([MOSQUITTO, "-c", str(file)], tmp_path / "broker.log")
    process.start()
    until(lambda: listening(port), 20, "the broker")
    counter.desk.after_revoking = lambda: process.popen.send_signal(1)
    yield process
    counter.desk.after_revoking = lambda: None
    process.kill()


class Ear:
    """The platform's own connection, that hears everything."""

    def __init__(self, counter):
        self.heard = []
        files = (counter.folder / "platform.pem", counter.folder / "platform.key")
        self.client = connect(counter, *files, lambda message: self.heard.append((message.topic, message.payload)))


def connect(counter, certificate, key, hear=None):
    """Return a connected client, None where the broker lets it not in."""
    context = ssl.create_default_context(cafile=counter.folder / "ca.pem")
    context.load_cert_chain(certificate, key)
    link = mqtt.Client(
        CallbackAPIVersion.VERSION2, "", protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False
    )
    link.tls_set_context(context)
    ready, lost = threading.Event(), threading.Event()
    link.on_connect = lambda c, *_: c.subscribe("parvis/#", 1) if hear else ready.set()
    link.on_subscribe = lambda *_: ready.set()
    link.on_disconnect = lambda *_: lost.set()
    link.on_message = lambda _c, _d, message: hear(message)
    try:
        link.connect("127.0.0.1", int(counter.broker.rpartition(":")[2]))
    except OSError:
        return None
    link.loop_start()
    until(lambda: ready.is_set() or lost.is_set(), 20, "an answer of the broker")
    if not ready.is_set():
        link.loop_stop()
        return None
    return link


def bearer(counter, state):
    files = identity.files(state)
    return connect(counter, files / "device.pem", files / "device.key")


@needs_mosquitto
def test_a_revoked_device_neither_enters_nor_speaks(counter, broker, tmp_path):
    """Old and new certificate of a device enter; once revoked neither does, and its open connection is silenced."""
    state = joined(tmp_path / "a", counter.ticket("kiosk-20"))
    other = joined(tmp_path / "b", counter.ticket("kiosk-21"))
    ear = Ear(counter)
    before = bearer(counter, state)
    renewal.renew(state, datetime.now(UTC), always=True)
    after = bearer(counter, state)
    assert before is not None
    assert after is not None
    neighbour = bearer(counter, other)

    def say(link, word, device="kiosk-20"):
        link.publish(f"parvis/1/parc/{device}/ev/usage", word, qos=1)

    say(before, b"old certificate")
    say(after, b"new certificate")
    say(after, b"as another", "kiosk-21")
    said = lambda: {payload for _, payload in ear.heard}  # noqa: E731
    until(lambda: {b"old certificate", b"new certificate"} <= said(), 20, "both certificates' messages")
    assert counter.desk.revoke("parc", "kiosk-20", datetime.now(UTC)) == 2
    until(lambda: bearer(counter, state) is None, 20, "the revoked certificate to be refused")
    say(before, b"revoked")
    say(after, b"revoked")
    say(neighbour, b"goes on", "kiosk-21")
    until(lambda: b"goes on" in said(), 20, "the neighbour's message")
    assert not said() & {b"revoked", b"as another"}
    ear.client.publish("parvis/1/parc/kiosk-21/ack", b"x", qos=1)
    for link in (before, after, neighbour, ear.client):
        link.disconnect()
        link.loop_stop()


@needs_mosquitto
def test_an_enrolled_device_does_the_whole_work(counter, broker, tmp_path):
    """Enrolled, started, nothing else configured: its order reaches the platform over TLS, and is answered."""
    state = joined(tmp_path, counter.ticket("kiosk-30"))
    database.migrate(settings.load(tmp_path / "parvis.toml", {}))
    (tmp_path / "repository").mkdir()
    store = tmp_path / "platform.db"
    words = [
        sys.executable,
        "-m",
        "lab.platform",
        "--store",
        store,
        "--repository",
        tmp_path / "repository",
        "--port",
        "0",
    ]
    tls = ["--ca", "ca.pem", "--certificate", "platform.pem", "--key", "platform.key"]
    tls = [word if word.startswith("--") else str(counter.folder / word) for word in tls]
    platform = Process([*map(str, words), "--broker", counter.broker, *tls], tmp_path / "platform.log")
    sync = Process([sys.executable, "-m", "sync", "--config", str(tmp_path / "parvis.toml")], tmp_path / "sync.log")
    edge = database.open_edge(state / "edge.db")
    try:
        for process in (platform, sync):
            process.start()
        asked = requests.create(edge, kind="room", subject="r", data={}, place="kiosk", now=1.0)
        until(lambda: requests.get(edge, asked.id).state == "accepted", 40, "the platform's answer")
    finally:
        sync.kill()
        platform.kill()
        edge.close()
    with sqlite3.connect(store) as held:
        assert held.execute("SELECT site, name FROM devices").fetchall() == [("parc", "kiosk-30")]
    held.close()
