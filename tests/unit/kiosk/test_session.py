# SPDX-License-Identifier: EUPL-1.2
"""A visit's end, the heartbeat, and the wait for content."""

import re

import pytest


def test_leaving_forgets_everything(client):
    """The way back to the first screen clears what a browser could keep."""
    answer = client.get("/leave")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'


def test_health_tells_when_a_page_was_last_alive(client):
    """The supervisor sees the difference between a process and a page."""
    assert client.get("/health").json == {"ok": True, "content": 1, "page_seen": None}
    assert client.post("/oc/heartbeat").status_code == 200
    assert client.get("/health").json["page_seen"] < 60


def test_the_first_page_says_that_it_is_the_first(client, settings):
    """A picture of the screen is taken of that page alone; any other page's heartbeat tells of a visit."""
    address = re.search(r'data-heartbeat="([^"]+)"', client.get("/").text)[1]
    assert client.post(address).status_code == 200
    beat = settings.run_dir / "kiosk.heartbeat"
    assert beat.read_text() == "first"
    client.post(re.search(r'data-heartbeat="([^"]+)"', client.get("/fr/start").text)[1])
    assert beat.read_text() == "visit"


def test_a_heartbeat_that_cannot_be_noted_is_still_answered(client, settings):
    """A full or broken disk doesn't take the page down."""
    settings.run_dir.write_text("not a folder", encoding="utf-8")
    assert client.post("/fr/heartbeat").status_code == 200


def test_a_page_knows_its_waiting_times(client):
    """45 seconds, then 20 more, are in the page for its script, and for a browser without scripts."""
    page = client.get("/fr/").text
    assert 'data-idle="45.0" data-warning="20.0"' in page
    assert '<noscript><meta http-equiv="refresh" content="65;url=/leave"></noscript>' in page


@pytest.mark.parametrize("called", [False, True])
def test_the_help_page_is_left_too(client, called):
    """Whoever walks away from it, called the reception or not, leaves the first screen to the next."""
    assert (client.post("/fr/help/call").status_code == 303) if called else True
    page = client.get("/fr/help").text
    assert f'data-idle="{180.0 if called else 45.0}" data-warning="20.0" data-leave="/leave"' in page
    assert ("data-renew" in page) is called


@pytest.mark.parametrize("path", ["/fr/", "/en/find?q=x", "/es/company/x", "/oc/help", "/fr/plan"])
def test_without_content_a_friendly_screen_waits(empty, path):
    """The screen says that content is on its way, in the person's language, and follows its arrival."""
    answer = empty.get(path)
    assert answer.status_code == 503
    assert "data-follow" in answer.text
    assert f'<html lang="{path[1:3]}"' in answer.text


def test_without_content_the_first_screen_and_health_answer(empty):
    """The screen is never white, and the supervisor isn't alarmed."""
    assert empty.get("/").status_code == 200
    assert "data-follow" in empty.get("/").text
    assert empty.get("/health").json == {"ok": True, "content": None, "page_seen": None}
    assert empty.get("/fr/start").status_code == 200
