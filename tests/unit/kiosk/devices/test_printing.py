# SPDX-License-Identifier: EUPL-1.2
"""Tickets on a printer that isn't there: pulled out at every kind of moment, without paper, with its cover open, mute.

The promise: a ticket's code comes out at most once by itself, and a ticket that didn't come out is told so.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import kiosk
from edge_core import i18n
from edge_core.store import database, print_jobs
from edge_core.store.database import write
from kiosk.devices import paper, printing
from kiosk.devices import printer as line
from kiosk.devices.printing import Printing
from kiosk.ticket import Ticket
from lab.printer import Printer

CODE = "PARVIS:1:out:K7PM2Q4D"
TICKET = Ticket(
    id="t1", language="fr", park="Parc Exemple", company="Exemple Ardoise", day="mardi 3 mars", code="K7PM-2Q4D",
    check_out=CODE, people=3, place="1er étage, bureau 110", badge="12",
    route=("Prenez l’escalier à gauche.", "Au 1er étage, c’est la 2e porte à droite : « Œuvre & façade »."),
    route_url="http://192.0.2.7:8081/fr/way#rez.bureau-110", wifi_code="AB7K-93XZ",
    wifi_url="https://wifi.parc.example/code/AB7K93XZ",
)  # fmt: skip
LANGUAGES = i18n.load(Path(kiosk.__file__).parent / "locales")
SHEETS = paper.lay(TICKET, LANGUAGES["fr"])
TURNS = 12


@pytest.fixture
def edge(settings):
    database.migrate(settings)
    return settings.edge_db


@pytest.fixture
def printer():
    made = Printer()
    yield made
    made.pull()


@pytest.fixture
def told():
    return []


@pytest.fixture
def desk(edge, told, monkeypatch):
    """The journal and the printing at it, with short waits."""
    monkeypatch.setattr(printing, "_HEAD_SECONDS", 2.0)
    monkeypatch.setattr(printing, "_TAIL_SECONDS", 2.0)
    return Printing(edge, lambda _: SHEETS, told.append)


def ask(edge, key="t1"):
    with closing(database.open_edge(edge)) as connection, write(connection):
        print_jobs.add(connection, key, {**TICKET.as_json(), "id": key}, time.time())


def state(edge, key="t1"):
    with closing(database.open_edge(edge)) as connection:
        job = print_jobs.get(connection, key)
        return job.state, job.reason


def settle(desk, edge, printer=None):
    """Turn until nothing waits; a printer that was pulled out is plugged in again, as a person would."""
    for _ in range(TURNS):
        desk.turn()
        if state(edge)[0] in ("printed", "shown"):
            return
        if printer is not None and printer.gone:
            desk._nodes.clear()
            desk.came(printer.plug())


def test_a_printer_that_can_not_be_opened_fills_no_log(desk, edge, told, tmp_path, capsys):
    """A ticket waits for it, so it is tried at each turn; its ever same failure is told ever more seldom."""
    desk.came(str(tmp_path / "lp0"))
    ask(edge)
    for _ in range(40):
        desk.turn()
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("printer_not_opened") == 6  # 1, 2, 4, 8, 16, 32
    assert (told[-1], state(edge)[0]) == ("absent", print_jobs.WAITING)


def test_a_ticket_comes_out_whole(desk, edge, printer, told):
    """Everything that stands on it is on the paper, accents too, and it is cut once."""
    desk.came(printer.plug())
    ask(edge)
    settle(desk, edge)
    assert state(edge) == ("printed", None)
    assert printer.paper.codes() == [TICKET.wifi_url, TICKET.route_url, CODE]  # the way opens in the WiFi alone
    codes = [place for place, what in enumerate(printer.paper.printed) if what[0] == "code"]
    above = [str(printer.paper.printed[place - 1][1]) for place in codes]
    for word, heading in zip(("Code WiFi", "scannez", "borne"), above, strict=True):
        assert word in heading
    text = " ".join(printer.paper.text().split())
    for words in ("Parc Exemple", "Exemple Ardoise", "Pour 3 personnes", "à gauche", "AB7K-93XZ", "K7PM-2Q4D"):
        assert words in text
    assert "« Œuvre & façade »" in text
    assert [what for what in printer.paper.printed if what == ("cut",)] == [("cut",)]
    assert told[-1] == "printing"


WHOLE = len(SHEETS.head) + len(SHEETS.tail) + 9  # and what is asked in between
PLACES = sorted({*range(6, WHOLE + 7, 41), *range(len(SHEETS.head) + 4, WHOLE + 7, 9), len(SHEETS.head) + 9})


def test_pulled_out_at_any_byte_it_is_never_printed_twice_and_never_lost(edge, monkeypatch):
    """At each place of a sample: one code came out, or none and it is on the screen; never two."""
    for module, name in ((printing, "_HEAD_SECONDS"), (printing, "_TAIL_SECONDS"), (line, "_ANSWER_SECONDS")):
        monkeypatch.setattr(module, name, 60.0)  # on a busy computer it is slow, not mute
    ends = set()
    for place in PLACES:
        with closing(sqlite3.connect(edge)) as connection:
            connection.execute("DELETE FROM print_jobs")
            connection.commit()
        printer, desk = Printer(), Printing(edge, lambda _: SHEETS, lambda _: None)
        printer.pull_after = place
        desk.came(printer.plug())
        ask(edge)
        settle(desk, edge, printer)
        end, codes = state(edge)[0], printer.paper.codes().count(CODE)
        printer.pull()
        desk.went("")
        assert (end, codes) in {("printed", 1), ("shown", 1), ("shown", 0)}, place
        ends.add((end, codes))
    assert ("printed", 1) in ends  # pulled in the first part: it was printed when it was back
    assert ("shown", 0) in ends  # pulled in the second: it stayed on the screen


@pytest.mark.parametrize("fault", ["paper", "cover"])
def test_without_paper_a_ticket_waits_and_is_printed_then(desk, edge, printer, told, fault):
    """The page is told what is the matter; when it is mended, the ticket comes out once."""
    printer.fault = fault
    desk.came(printer.plug())
    ask(edge)
    desk.turn()
    assert told[-1] == fault
    assert state(edge) == ("waiting", None)
    printer.fault = ""
    settle(desk, edge)
    assert state(edge) == ("printed", None)
    assert printer.paper.codes().count(CODE) == 1


@pytest.mark.parametrize(("answers", "in_turn"), [(False, False), (True, False)])
def test_a_printer_that_answers_little_prints_too(desk, edge, printer, answers, in_turn):
    """Cheap printers tell nothing, or nothing in turn: they are printed on once."""
    printer.answers, printer.in_turn = answers, in_turn
    desk.came(printer.plug())
    ask(edge)
    settle(desk, edge)
    assert state(edge) == ("printed", None)
    for _ in range(400):  # it works through what it took
        if CODE in printer.paper.codes():
            break
        time.sleep(0.05)
    assert printer.paper.codes().count(CODE) == 1


def test_killed_while_printing_it_is_not_printed_again(desk, edge, printer, told):
    """A service that died in the middle doesn't know: the ticket is on the screen, and a person may print it again."""
    ask(edge)
    with closing(database.open_edge(edge)) as connection:
        assert print_jobs.take(connection, time.time())
    desk.came(printer.plug())
    desk.turn()
    assert state(edge) == ("shown", "interrupted")
    assert printer.paper.codes() == []
    with closing(database.open_edge(edge)) as connection, write(connection):
        assert print_jobs.again(connection, "t1", time.time())
    for _ in range(TURNS):
        desk.turn()
    assert printer.paper.codes().count(CODE) == 1


def test_a_loose_cable_does_not_eat_the_roll(desk, edge, printer):
    """A printer that goes again and again in the first part gets a few tries, then the ticket stays on the screen."""
    ask(edge)
    for _ in range(TURNS):
        printer.pull()
        printer.pull_after = printer.taken + 60
        desk._nodes.clear()
        desk.came(printer.plug())
        desk.turn()
        if state(edge)[0] == "shown":
            break
    assert state(edge) == ("shown", "tries")
    assert CODE not in printer.paper.codes()


def test_a_ticket_that_can_not_be_read_is_given_up(desk, edge, printer):
    """A job that is no ticket stops no other."""
    desk.came(printer.plug())
    with closing(database.open_edge(edge)) as connection, write(connection):
        print_jobs.add(connection, "t0", {"nonsense": 1}, time.time() - 5)
    ask(edge)
    for _ in range(TURNS):
        desk.turn()
    assert state(edge, "t0") == ("shown", "unreadable")
    assert state(edge) == ("printed", None)


@pytest.mark.parametrize("code", i18n.NAMES)
@pytest.mark.parametrize("millimetres", [58, 80])
def test_hostile_texts_stay_on_their_line(code, millimetres):
    """Names with commands of the printer, endless ones, right-to-left ones: no command gets through."""
    nasty = "\x1b@\x1dV\x00\x10\x04\x02" + "a" * 10_000 + "\u202e\u05e9\u05dc"
    ticket = Ticket(**{**TICKET.as_json(), "company": nasty, "place": "\x1d(k", "route": (nasty,)})
    made = paper.lay(ticket, LANGUAGES[code], millimetres)
    assert made.head.count(b"\x1b@") == 1
    assert b"\x1dV" not in made.head
    assert b"\x10\x04" not in made.head
    assert len(made.head) < 4000


def test_a_profile_that_is_none_is_named():
    """A misspelt profile is refused with its name."""
    with pytest.raises(ValueError, match="TM-T99"):
        paper.lay(TICKET, LANGUAGES["fr"], 80, "TM-T99")
