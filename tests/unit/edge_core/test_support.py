# SPDX-License-Identifier: EUPL-1.2
"""What support gets to see: planted addresses, names, codes and secrets are in no bundle; logs are for people."""

import json
import shlex
import tarfile
from contextlib import closing

import pytest
from click.testing import CliRunner

from edge_core import clock, events, sessions
from edge_core.cli import main as cli
from edge_core.errors import ParvisError
from edge_core.settings import load
from edge_core.store import database, desk_users, followed, grants, outbox, requests, visits, vouchers
from edge_core.support import hardware, journal, strike

MAC, NAME, CODE, SECRET = "02:5e:10:20:30:4f", "Visiteuse-Plantée", "KQ7MPLNT", "s3cret-planted-9a1b"
ADDRESS, MAIL, BLOCKED = "10.77.16.99", "planted.person@mail.example", "02:5e:10:20:30:50"
PLANTED = [
    *(MAC, MAC.upper(), MAC.replace(":", "-"), MAC.replace(":", ""), BLOCKED, NAME, "Plantée", "Visiteuse", CODE),
    *(CODE.lower(), SECRET, ADDRESS, MAIL, "planted", "0559123456"),
]
LINES = [
    f'timestamp=2030-05-21T08:00:00Z level=warning process=agent event=peer_refused uid=1000 device={MAC} who="{NAME}"',
    f'level=error process=sync event=store_refused reason="for {NAME} at {ADDRESS}: {CODE}" times=4 number=0559123456',
    f"level=info process={NAME} event=started",
    f"level=info process=portal event={NAME}",
    f"level=info process=portal event=asked {NAME}=1 planted=planted module=captive_portal.access",
    f"dnsmasq-dhcp: DHCPACK(lan0) {ADDRESS} {MAC} {NAME}",
    f"Traceback: password {SECRET} of {MAIL}",
    'level=info "unclosed',
]


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device with something personal in every table that has room for it, and in its journal and settings."""
    path = tmp_path / "device.toml"
    path.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\nkey = "{SECRET}"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n'
        f'[enforcement]\nmode = "none"\n[mail]\nserver = "smtps://mail.example"\nsender = "{MAIL}"\n'
        f'user = "{NAME}"\npassword = "{tmp_path}/password"\n'
        f'[mqtt]\nurl = "mqtts://broker.example"\n[sign_in]\nissuer = "https://id.example"\nclient_id = "p"\n',
        encoding="utf-8",
    )
    settings = load(path, {})
    database.migrate(settings)
    now = clock.now()
    with closing(database.open_edge(settings.edge_db)) as edge:
        grants.accept(edge, MAC, "free", 600, now)
        followed.block(edge, BLOCKED, now, None)
        limits = grants.Limits(None, None, None)
        valid = now + 9999
        vouchers.make(edge, b"k" * 32, batch=NAME, plan="free", seconds=60, limits=limits, devices=1, count=1,
                      valid_until=valid, now=now, site=False)  # fmt: skip
        desk_users.add(edge, NAME, SECRET, now)
        arrival = visits.Arrival(company="c", host=None, name=NAME, people=1, place="kiosk-1", language="fr")
        visits.arrive(edge, arrival, [(visits.Ticket(CODE, "", 1, "", None), {"id": CODE})], now)
        requests.create(edge, kind="message", subject="s", place="portal", data={"message": f"{NAME} {MAIL}"}, now=now)
        with database.write(edge):
            outbox.append(edge, events.RequestCreated(request=NAME, kind=MAC, subject=CODE, place=ADDRESS), now)
    (settings.device.state_dir / "dnsmasq.leases").write_text(f"1 {MAC} {ADDRESS} {NAME} *\n", encoding="utf-8")
    entries = [
        json.dumps(
            {"__REALTIME_TIMESTAMP": "1905580800000000", "_SYSTEMD_UNIT": "parvis-agent.service", "MESSAGE": line}
        )
        for line in LINES
    ]
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.join(entries)}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    return settings


def call(*words):
    return CliRunner().invoke(cli.parvis, words, catch_exceptions=False)


def test_nothing_planted_is_in_the_bundle(device, tmp_path):
    """In no file of it, nor in its names; what was planted is really on the device, or this would prove nothing."""
    everywhere = b"".join(p.read_bytes() for p in [*device.device.state_dir.glob("*"), device.source] if p.is_file())
    everywhere += "".join(LINES).encode()
    assert all(word.encode() in everywhere for word in (MAC, NAME, CODE, SECRET, ADDRESS, MAIL))
    target = tmp_path / "bundle.tar.gz"
    printed = call("support-bundle", "--config", str(device.source), "--output", str(target)).output
    assert "journal.json" in printed
    assert "not gathered" not in printed
    assert target.stat().st_mode & 0o077 == 0
    with tarfile.open(target) as archive:
        parts = {member.name: archive.extractfile(member).read().decode() for member in archive}
    for name, text in parts.items():
        unescaped = text if name.endswith(".txt") else json.dumps(json.loads(text), ensure_ascii=False)
        for word in PLANTED:
            assert word not in name + unescaped, (word, name)
    facts = {name.partition("/")[2]: json.loads(text) for name, text in parts.items() if name.endswith(".json")}
    assert facts["settings.json"]["site"]["key"] == strike.STRUCK
    assert facts["settings.json"]["access"]["duration"] == 14400
    assert facts["versions.json"]["parvis"]
    assert facts["store.json"]["rows"]["visits"] == 1
    assert any(finding["check"] == "store" for finding in facts["doctor.json"]), facts["doctor.json"]
    lines = facts["journal.json"]["lines"]
    assert [line["event"] for line in lines] == ["peer_refused", "store_refused", "asked"]
    assert (lines[0]["uid"], lines[1]["times"]) == ("1000", "4")
    assert [line["fields_left_out"] for line in lines] == [2, 2, 2]
    assert facts["journal.json"]["lines_of_others_left_out"] == len(LINES) - 3


def test_a_broken_device_still_gives_a_bundle(device, tmp_path, monkeypatch):
    """Without a journal and with a damaged store each part says why it is missing, and the others are there."""
    device.edge_db.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "bundle.tar.gz"
    told = json.loads(call("support-bundle", "--json", "--config", str(device.source), "--output", str(target)).output)
    assert {"store.json", "journal.json"} <= told["not_gathered"].keys()
    assert "versions.json" not in told["not_gathered"]
    with pytest.raises(ParvisError, match="can't be written"):
        call("support-bundle", "--config", str(device.source), "--output", "/nowhere/bundle.tar.gz")


def test_logs_are_read_by_people_and_by_scripts(device):
    """Time, process, what happened; JSON a line; filtered by process and level; control characters do nothing."""
    printed = call("logs").output
    assert "agent" in printed
    assert "peer refused  uid=1000" in printed
    lines = [json.loads(line) for line in call("logs", "--json", "--level", "warning").output.splitlines()]
    assert [line["event"] for line in lines] == ["peer_refused", "store_refused"]
    assert [json.loads(x)["process"] for x in call("logs", "--json", "--process", "sync").output.splitlines()] == [
        "sync"
    ]
    assert "Nothing was said that matches" in call("logs", "--process", "nobody").output
    line = journal.of_message(0, "parvis-agent", "level=info event=x who='\x1b[2Jred'")
    assert "\x1b" not in cli.journal.as_text(line).plain


@pytest.mark.parametrize("raw", [b"", b"x", b"[]", b"{}", b'{"__REALTIME_TIMESTAMP": "x"}', b"[" * 9999])
def test_what_is_no_entry_is_passed_over(raw):
    """Whatever journalctl prints beside entries."""
    assert journal.parse(raw) is None


def test_a_message_of_bytes_is_read():
    """The journal gives what isn't UTF-8 as numbers."""
    raw = json.dumps({"__REALTIME_TIMESTAMP": "1", "MESSAGE": [104, 105, 255, 999, "x"]}).encode()
    assert journal.parse(raw).text == "hi\N{REPLACEMENT CHARACTER}"


def test_without_a_journal_the_remedy_is_named(monkeypatch, tmp_path):
    """Under `parvis run` there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParvisError, match="no systemd journal"):
        call("logs")


@pytest.mark.parametrize(("bits", "told"), [("0", (False, False)), ("50000", (False, True)), ("50005", (True, True))])
def test_a_weak_supply_is_told(tmp_path, bits, told):
    """As the firmware of a Raspberry Pi says it; the hottest sensor counts, an impossible one doesn't."""
    for number, value in enumerate(("41000", "52500", "999000", "x")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(value)
    (tmp_path / "throttled").write_text(bits)
    health = hardware.read(tmp_path, tmp_path / "throttled", tmp_path)
    assert health == hardware.Health(52.5, *told)
    assert hardware.read(tmp_path / "no", tmp_path / "no", tmp_path) == hardware.Health(None, None, None)


def test_a_session_is_extended_and_blocked_by_the_operator(device):
    """By MAC or id; the time left rises, the block ends the session, and nonsense names what to look at."""
    words = ("--config", str(device.source))
    (row,) = json.loads(call("sessions", "list", *words, "--json").output)
    assert "30 minutes longer" in call("sessions", "extend", row["session"], "--minutes", "30", *words).output
    (longer,) = sessions.rows(device)
    assert 2390 <= longer.remaining_seconds <= 2400
    assert json.loads(call("sessions", "block", row["session"], "--json", *words).output)["device"] == MAC
    assert sessions.rows(device) == []
    for command in ("extend", "end", "block"):
        with pytest.raises(ParvisError, match=r"There is no session|is not a MAC|has no session"):
            call("sessions", command, row["session"], *words)
    with pytest.raises(ParvisError, match="can't be extended"):
        sessions.extend(device, MAC, 10**9)
