# SPDX-License-Identifier: EUPL-1.2
"""The legal record: sealed, told apart by day, destroyed after its year, handed out signed; and who may read it."""

import csv
import json
import tarfile
from datetime import date
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from nacl.encoding import HexEncoder
from nacl.public import PrivateKey

from edge_core import csv_cells, legal
from edge_core.errors import ConfigurationError, ParvisError, StoreError
from edge_core.settings import load
from gateway_agent import legal_export, legal_recorder, legal_vault
from gateway_agent.legal_commands import legal as command
from gateway_agent.legal_rows import ENDED, FOUND, OPENED, Chunk, Connection, Reader, unpack

NOW = 1_905_148_800.0  # 2030-05-16 08:00 UTC
DAY = "2030-05-16"
MAC = "02:11:22:33:44:55"
FLOW = Connection(7, 0xDEADBEEF, 6, bytes([10, 77, 0, 9]), 40000, bytes([192, 0, 2, 2]), 51000)


def settings_of(tmp_path, extra=""):
    path = tmp_path / "device.toml"
    path.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n'
        f'[legal]\nrecord = "on"\ninvestigator = "{tmp_path}/key.pub"\n{extra}'
    )
    return load(path, {})


@pytest.fixture
def key(tmp_path):
    private = PrivateKey.generate()
    (tmp_path / "key").write_bytes(private.encode(HexEncoder))
    (tmp_path / "key.pub").write_bytes(private.public_key.encode(HexEncoder) + b"\n")
    return private


@pytest.fixture
def settings(tmp_path, key):
    return settings_of(tmp_path)


@pytest.fixture
def deaf(monkeypatch):
    """A recorder hears nothing of the kernel."""
    monkeypatch.setattr(legal_recorder.netlink, "Socket", lambda _family: SimpleNamespace(subscribe=lambda *_, **__: 0))


def write(settings, key, day=DAY, rows=((OPENED, NOW, FLOW), (ENDED, NOW + 12.34, FLOW)), gaps=(), began=NOW):
    segment = legal_vault.Segment(legal.folder(settings), day, key.public_key)
    chunk = Chunk(began)
    chunk.people[7] = ("0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f", MAC)
    chunk.gaps += gaps
    for row in rows:
        chunk.add(*row)
    segment.append(chunk.pack(segment.number))
    segment.close()


def run(*words):
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=True)


def test_nothing_on_the_disk_can_be_read_with_what_is_on_the_disk(settings, key):
    """No address, port, terminal or session is there in any spelling, and no key that opens it."""
    write(settings, key)
    data = b"".join(file.read_bytes() for file in legal.folder(settings).rglob("*") if file.is_file())
    for secret in (MAC.encode(), bytes.fromhex(MAC.replace(":", "")), b"0191d2c1", FLOW.inside, bytes(key)):
        assert secret not in data
    place = legal.folder(settings) / DAY
    (wrapped,), (rows,) = place.glob("*.key"), place.glob("*.rows")
    with pytest.raises(ValueError, match="doesn't open it"):
        legal_vault.unseal(wrapped.read_bytes(), rows.read_bytes(), PrivateKey.generate())


def test_an_export_is_opened_by_its_reader_alone(settings, key, tmp_path):
    """From rows to a line of CSV, by the commands that people use; the log says who asked, and nothing of anybody."""
    write(settings, key, gaps=[{"from": NOW, "until": NOW + 60, "events": 3}])
    config = ("--config", settings.source)
    status = json.loads(run("status", *config, "--json").output)
    assert list(status["days"]) == [DAY]
    tar, out = tmp_path / "export.tar", tmp_path / "out.csv"
    words = ("--from", DAY, "--to", DAY, "--request", "Réquisition 2030-17", "--output", tar)
    assert run("export", *config, *words).exit_code == 0
    assert run("export", *config, *words).exit_code == 1  # never over a file
    opening = ("open", tar, "--key", tmp_path / "key", "--output", out, "--signed-by")
    opened = run(*opening, status["signed_by"])
    assert opened.exit_code == 0, opened.output
    assert "Not complete from" in opened.output
    (row,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert (row["source"], row["source_port"]) == ("10.77.0.9", "40000")
    assert (row["outside"], row["outside_port"], row["protocol"]) == ("192.0.2.2", "51000", "6")
    assert (row["terminal"], row["start"], row["end"]) == (
        MAC, "2030-05-16T08:00:00.000+00:00", "2030-05-16T08:00:12.340+00:00",
    )  # fmt: skip
    assert "destination" not in " ".join(row)
    log = (legal.folder(settings) / "log.jsonl").read_text()
    assert "Réquisition 2030-17" in log
    assert MAC not in log


@pytest.mark.parametrize("what", ["file", "signature", "signer"])
def test_a_changed_export_is_refused(settings, key, tmp_path, what):
    """One bit of a sealed file, another signature, or another device's: each is told."""
    write(settings, key)
    legal_export.export(settings, [DAY], "x", tmp_path / "good.tar", NOW)
    by = legal_export.signer(settings).verify_key.encode(HexEncoder).decode()
    with tarfile.open(tmp_path / "good.tar") as good, tarfile.open(tmp_path / "bad.tar", "w") as bad:
        for entry in good:
            data = bytearray(good.extractfile(entry).read())
            if (what == "file" and entry.name.endswith(".rows")) or (
                what == "signature" and entry.name == "manifest.json"
            ):
                data[-2] ^= 1
            (tmp_path / "part").write_bytes(data)
            bad.add(tmp_path / "part", entry.name)
    by = by[::-1] if what == "signer" else by
    with pytest.raises(ParvisError, match=r"changed|signature"):
        legal_export.read(tmp_path / "bad.tar", key, by)
    with pytest.raises(ParvisError, match="can't be opened"):
        wrong = PrivateKey.generate()
        legal_export.read(
            tmp_path / "good.tar", wrong, legal_export.signer(settings).verify_key.encode(HexEncoder).decode()
        )


def test_a_day_is_destroyed_when_its_year_is_over_and_not_before(settings, key):
    """Its keys are gone: a copy of the rows alone opens for nobody."""
    write(settings, key)
    write(settings, key, day="2030-05-17")
    folder = legal.folder(settings)
    assert legal_vault.shred(folder, date(2031, 5, 16)) == []
    assert legal_vault.shred(folder, date(2031, 5, 17)) == [DAY]
    assert legal_vault.days(folder) == ["2030-05-17"]


def test_what_a_power_cut_left_half_costs_the_last_chunk_alone(settings, key):
    """Every length of the file that a cut may leave opens, with the chunks that are whole."""
    write(settings, key)
    place = legal.folder(settings) / DAY
    (wrapped,), (rows,) = place.glob("*.key"), place.glob("*.rows")
    data = rows.read_bytes()
    for length in range(len(legal_vault.MAGIC), len(data)):
        assert legal_vault.unseal(wrapped.read_bytes(), data[:length], key) == ([], 0)
    chunks, bad = legal_vault.unseal(wrapped.read_bytes(), data, key)
    assert ([unpack(chunk)[0]["rows"] for chunk in chunks], bad) == ([2], 0)
    torn = bytearray(data)
    torn[-1] ^= 1
    assert legal_vault.unseal(wrapped.read_bytes(), bytes(torn), key) == ([], 1)


def test_a_disk_without_room_is_left_without_empty_files(settings, key, monkeypatch):
    """It is tried again every two seconds, for days perhaps: no try leaves anything behind."""
    folder = legal.folder(settings)
    with monkeypatch.context() as patch:
        patch.setattr(legal_vault, "RESERVE", 1 << 62)
        with pytest.raises(OSError, match="No space"):
            legal_vault.Segment(folder, DAY, key.public_key)
    with monkeypatch.context() as patch:
        patch.setattr(legal_vault.durable, "settle", _full)
        with pytest.raises(OSError, match="full"):
            legal_vault.Segment(folder, DAY, key.public_key)
    assert list((folder / DAY).iterdir()) == []


def _full(*_):
    raise OSError(28, "full")


@pytest.mark.usefixtures("deaf")
def test_a_gap_is_recorded_once_however_often_the_disk_refused(settings, key, monkeypatch):
    """With the people of the connections that waited, also where there are more than are kept in mind."""
    monkeypatch.setattr(legal_recorder, "_MOST_PEOPLE", 0)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    recorder = legal_recorder.Recorder(settings)
    recorder._state, recorder._chunk = legal.RECORDING, Chunk(NOW)
    recorder._people[7] = ("0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f", MAC)
    recorder._add(OPENED, NOW, FLOW)
    with monkeypatch.context() as patch:
        patch.setattr(legal_vault.Segment, "append", _full)
        recorder.flush(NOW + 2)
        recorder._unrecorded, recorder._since = 3, NOW + 3
        recorder.flush(NOW + 4)
        recorder._unrecorded = 5
        recorder.flush(NOW + 6)
    recorder.flush(NOW + 8)
    (rows,) = (legal.folder(settings) / DAY).glob("*.rows")
    (chunk,), bad = legal_vault.unseal(rows.with_suffix(".key").read_bytes(), rows.read_bytes(), key)
    head, found = unpack(chunk)
    assert (bad, len(found)) == (0, 1)
    assert head["gaps"] == [{"from": NOW + 3, "until": NOW + 8, "events": 5}]
    assert head["people"]["7"][1] == MAC


@pytest.mark.usefixtures("deaf")
def test_a_day_that_the_disk_does_not_let_go_stops_no_recording(settings, key, monkeypatch):
    """It is told, and tried again at the next tick."""
    recorder = legal_recorder.Recorder(settings)
    write(settings, key, day="2028-05-16")
    with monkeypatch.context() as patch:
        patch.setattr(legal_vault.durable, "settle", _full)
        recorder._shred(NOW)
    recorder._shred(NOW)
    assert legal_vault.days(legal.folder(settings)) == []


def test_an_injunction_has_an_end(tmp_path, key):
    """Recording is wanted while it is in force; lifting it, or its end date, ends that; both are logged."""
    settings = settings_of(tmp_path)
    path = settings.source
    path.write_text(path.read_text().replace('"on"', '"injunction"'))
    settings = load(path, {})
    assert not legal.is_wanted(settings, NOW)
    assert run("injunction", "--config", path, "--reference", "Décret 1", "--until", "2000-01-01").exit_code == 1
    assert run("injunction", "--config", path, "--reference", "Décret 1").exit_code == 2
    assert run("injunction", "--config", path, "--reference", "Décret 1", "--until", "2099-12-31").exit_code == 0
    order = legal.injunction(settings)
    assert legal.is_wanted(settings, order.since + 1)
    assert not legal.is_wanted(settings, order.until)
    assert run("injunction", "--config", path, "--end").exit_code == 0
    assert not legal.is_wanted(settings, order.since + 1)
    assert (legal.folder(settings) / "log.jsonl").read_text().count("\n") == 2


def test_new_sessions_wait_where_the_operator_wants_it_so(tmp_path, key):
    """No recorder, or one whose disk is full, stops new sessions; the other policy stops nothing."""
    settings = settings_of(tmp_path)
    with pytest.raises(StoreError, match="legal record"):
        legal.require_open(settings, NOW)
    legal.tell_state(settings, legal.RECORDING)
    legal.require_open(settings, NOW)
    legal.tell_state(settings, legal.FULL)
    with pytest.raises(StoreError, match="legal record"):
        legal.require_open(settings, NOW)
    legal.require_open(settings_of(tmp_path, 'when_full = "gap"\n'), NOW)


def test_a_wrong_key_is_refused_at_the_start(tmp_path, key):
    """The settings without a key, and a key file that is none, name the remedy."""
    with pytest.raises(ConfigurationError, match="investigator"):
        path = tmp_path / "other.toml"
        path.write_text(
            '[site]\nid = "p"\nname = "P"\n[device]\nid = "g"\nstate_dir = "/tmp/x"\n[legal]\nrecord = "on"\n'
        )
        load(path, {})
    (tmp_path / "bad.pub").write_text("no key\n")
    with pytest.raises(ConfigurationError, match="keygen"):
        legal_vault.investigator(tmp_path / "bad.pub")
    assert run("keygen", "--output", tmp_path / "made").exit_code == 0
    legal_vault.investigator(tmp_path / "made.pub")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


def test_a_connection_open_from_before_has_no_start(settings, key, tmp_path):
    """What was found open is told with its end, and never with a start that nobody saw."""
    write(settings, key, rows=[(FOUND, NOW, FLOW), (ENDED, NOW + 1, FLOW)])
    legal_export.export(settings, [DAY], "x", tmp_path / "x.tar", NOW)
    by = legal_export.signer(settings).verify_key.encode(HexEncoder).decode()
    (row,) = legal_export.read(tmp_path / "x.tar", key, by).connections
    assert (row["start"], row["end"]) == (None, NOW + 1)


def test_a_connection_outlives_a_restart_of_the_recorder(settings, key, tmp_path, monkeypatch):
    """Its end is in another file of the day, whose name comes first by chance: it is one connection all the same."""
    names = iter("ba")
    monkeypatch.setattr(legal_vault.secrets, "token_hex", lambda _count: next(names))
    write(settings, key, rows=[(OPENED, NOW, FLOW)])
    write(settings, key, rows=[(ENDED, NOW + 12, FLOW)], began=NOW + 10)
    legal_export.export(settings, [DAY], "PV 12/2030", tmp_path / "out.tar", NOW)
    by = legal_export.signer(settings).verify_key.encode(HexEncoder).decode()
    (one,) = legal_export.read(tmp_path / "out.tar", key, by).connections
    assert (one["start"], one["end"], one["terminal"]) == (NOW, pytest.approx(NOW + 12), MAC)


def test_an_end_that_the_kernel_tells_twice_is_one_end(settings, key, tmp_path):
    """It is told again to every listener until the slowest took it; the same flow opened anew is another connection."""
    again = [(OPENED, NOW, FLOW), (ENDED, NOW + 1, FLOW), (ENDED, NOW + 2, FLOW)]
    write(settings, key, rows=[*again, (OPENED, NOW + 3, FLOW), (ENDED, NOW + 4, FLOW)])
    legal_export.export(settings, [DAY], "x", tmp_path / "x.tar", NOW)
    by = legal_export.signer(settings).verify_key.encode(HexEncoder).decode()
    found = legal_export.read(tmp_path / "x.tar", key, by).connections
    assert [(row["start"], row["end"]) for row in found] == [(NOW, NOW + 1), (NOW + 3, NOW + 4)]


@pytest.mark.parametrize("body", [b"", b"\x02", bytes(40), b"\x02\0\0\0\x03\0\x01\x80", b"\xff" * 60])
def test_nonsense_of_the_kernel_is_nobodys(body):
    """A message that can't be read adds no row and raises nothing."""
    assert Reader().read(body) is None


@pytest.mark.parametrize("text", ["=1+1", "+33", "-2", "@x", "\t=1", " =1", "|cmd", "\r=x", "%0"])
def test_no_cell_is_a_formula(text):
    """A spreadsheet shows what stands there; numbers stay numbers."""
    assert csv_cells.cell(text).startswith("'")
    assert (csv_cells.cell(-5), csv_cells.cell(None), csv_cells.cell("Salle")) == ("-5", "", "Salle")
