# SPDX-License-Identifier: EUPL-1.2
"""Whoever asks for another site lands on the welcome page, and may go back to it afterwards."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from captive_portal import turned_away

PROBES = [
    ("captive.apple.com", "/hotspot-detect.html"),
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("www.gstatic.com", "/generate_204"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("nmcheck.gnome.org", "/check_network_status.txt"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"),
]


@pytest.mark.parametrize(("host", "path"), PROBES)
def test_each_detector_gets_a_redirect_that_it_understands(app, visiting, host, path):
    """302, an absolute address of ours, a small body that isn't empty, and nothing is kept."""
    answer = visiting(app, host=host).get(path)
    assert answer.status_code == 302
    assert re.match(r"http://wifi\.parc\.example/(\?|$)", answer.headers["Location"])
    assert 4 < len(answer.data) < 1000
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE"])
def test_any_method_and_path_of_another_site_is_redirected(app, visiting, method):
    """No path of another site reaches a page or a form of ours."""
    answer = visiting(app, host="site.example").open("/fr/accept", method=method, data=b"x" * 40_000)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("http://wifi.parc.example/")


@pytest.mark.parametrize(
    "host", ["", "a b", "x" * 5000, "[::", "é.example", "<script>", "evil.example\\@wifi", "%0d%0a:80"]
)
def test_an_unreadable_host_is_redirected_without_being_repeated(app, visiting, host):
    """A bad Host header never shows in the answer."""
    answer = visiting(app, host=host.encode().decode("latin-1")).get("/x")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://wifi.parc.example/"


@pytest.mark.parametrize(
    "host",
    ["wifi.parc.example", "WIFI.parc.example:8080", "10.77.16.1", "[fd00:77::1]", "localhost:18080", "127.0.0.1"],
)
def test_the_portal_answers_under_its_own_names(app, visiting, host):
    """Its name, its addresses and localhost are served in place."""
    assert visiting(app, host=host).get("/").status_code == 200


def test_a_detector_pointed_at_the_portal_itself_is_redirected(app, visiting):
    """A probe path on our own name leads to the welcome page there, absolutely."""
    answer = visiting(app, host="wifi.parc.example:8080").get("/generate_204")
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://wifi.parc.example:8080/")


def test_without_enforcement_any_host_is_served(open_app, visiting):
    """On a desktop without enforcement nobody is sent elsewhere."""
    assert visiting(open_app, host="anything.example").get("/fr/").status_code == 200


def test_the_first_asked_page_is_kept_for_people_not_for_detectors():
    """A person's page is a place to return to; a detector's is not, save Firefox's, which closes its tab there."""
    assert turned_away.first_asked("GET", "site.example", "/a b", b"q=1") == "http://site.example/a%20b?q=1"
    assert turned_away.first_asked("GET", "site.example:8080", "/", b"") == "http://site.example:8080/"
    assert turned_away.first_asked("GET", "detectportal.firefox.com", "/canonical.html", b"")
    for method, host, path in [
        ("GET", "captive.apple.com", "/"),
        ("POST", "site.example", "/"),
        ("GET", "bad host", "/"),
        ("GET", "site.example", "/" + "x" * 2000),
    ]:
        assert turned_away.first_asked(method, host, path, b"") == ""
    assert "\n" not in turned_away.first_asked("GET", "site.example", "/a\r\nSet-Cookie: x", b"\r\n")


def test_the_kept_page_is_sealed_for_this_device_alone(app, visiting):
    """Somebody else who is handed the link is not led to that site: no open redirect."""
    location = visiting(app, host="site.example").get("/page?x=1").headers["Location"]
    query = urlsplit(location).query
    assert parse_qs(query)["to"] == ["http://site.example/page?x=1"]
    mine = visiting(app).get(f"/?{query}").text
    assert 'name="to" value="http://site.example/page?x=1"' in mine
    assert "site.example/page" not in visiting(app, address="10.77.16.21").get(f"/?{query}").text.split("<main")[1]
    forged = query.replace("site.example", "evil.example")
    assert 'name="to"' not in visiting(app).get(f"/?{forged}").text
