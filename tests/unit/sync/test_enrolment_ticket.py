# SPDX-License-Identifier: EUPL-1.2
"""Tickets and labels as text: read as they are typed, refused where they are wrong, and printed without harm."""

import json
import string

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edge_core.errors import ConfigurationError
from sync.enrolment.commands import site
from sync.enrolment.ticket import digest, parse

HASH = digest(b"authority")
GOOD = f"parvis1/desk.example:8443/B7RD-DXXM-2GC0-ZJSN/{HASH}/-"


def test_a_ticket_is_read_as_people_type_it():
    """Case, hyphens, line breaks and letters that look like digits don't matter; an IPv6 address is kept."""
    ticket = parse(f" PARVIS1/[2001:db8::1]:8443/b7rd dxxm-2gco-zjsn/\n{HASH}/{HASH}\r\n")
    assert (ticket.host, ticket.port, ticket.code) == ("2001:db8::1", 8443, "B7RDDXXM2GC0ZJSN")
    assert (ticket.authority, ticket.root, ticket.desk) == (HASH, HASH, "[2001:db8::1]:8443")
    assert parse(GOOD).root == ""


@given(st.text(alphabet=string.printable, max_size=300) | st.text().map(lambda text: GOOD.replace("desk", text)))
def test_anything_else_is_refused_in_words(text):
    """Whatever is pasted, it is a ticket or an error that a person can act on."""
    try:
        found = parse(text)
    except ConfigurationError as error:
        found = error
    assert found.remedy if isinstance(found, ConfigurationError) else found.host and found.port and found.code


def test_labels_are_a_page_that_only_its_owner_reads(tmp_path):
    """One label for each ticket, with a QR code; names can't break out of the page."""
    lines = [{"site": "parc", "device": name, "ticket": GOOD} for name in ("kiosk-1", "<script>")]
    sheet = tmp_path / "labels.html"
    done = CliRunner().invoke(site, ["labels", "-", str(sheet)], input="\n".join(json.dumps(line) for line in lines))
    page = sheet.read_text()
    assert (done.exit_code, page.count("<svg"), page.count(GOOD)) == (0, 2, 2)
    assert "<script>" not in page
    assert sheet.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["{}", "[1]", "nonsense", '{"site": "a", "device": "b", "ticket": "c"}', ""])
def test_a_wrong_line_is_named(tmp_path, line):
    """The line that is no ticket is told by its number, and no page is written."""
    done = CliRunner().invoke(site, ["labels", "-", str(tmp_path / "x")], input=line)
    assert isinstance(done.exception, ConfigurationError)
    assert ("Line 1" in str(done.exception)) == bool(line)
    assert not (tmp_path / "x").exists()
