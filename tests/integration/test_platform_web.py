# SPDX-License-Identifier: EUPL-1.2
"""The reference platform towards people and content: replies, its page, the feed and the repository's files."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse

import pytest

from lab.platform.testing import Broker, Device, Platform, uuid7, wait_for
from lab.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed"),
]
MARKUP = '<script>alert("x")</script>'


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.process.kill()


@pytest.fixture
def platform(tmp_path, broker, request):
    platform = Platform(tmp_path, broker, *getattr(request, "param", ()))
    yield platform
    assert platform.process.end() == 0, platform.process.log.read_text()


@pytest.fixture
def device(broker):
    device = Device(broker, "kiosk-1")
    yield device
    device.close()


def fetch(platform, path, *, method="GET", body=None, **headers):
    """Ask and return status, headers and body, following nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=10)
    connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def post(platform, path, fields, **headers):
    """Send a form."""
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return fetch(platform, path, method="POST", body=urllib.parse.urlencode(fields), **headers)[0]


def ask(device, seq=1, **answers):
    """Send a request and return its id."""
    key = uuid7()
    data = {"request": key, "kind": "room", "subject": "ossau", "data": answers, "place": "hall"}
    device.publish("ev/order", [device.event(seq, "request.created", data)])
    device.wait_ack(seq)
    return key


def publish_version(platform, version):
    """Put a new timestamp.json in place as a publisher does: written aside, then renamed."""
    folder = platform.repository / "metadata"
    folder.mkdir(exist_ok=True)
    (folder / "new").write_text(json.dumps({"signed": {"version": version}}))
    (folder / "new").replace(folder / "timestamp.json")


def test_a_request_is_accepted_and_answered_once(platform, device):
    """The reply carries a reference that a person can say; once it is confirmed it is not sent again (R-402)."""
    device.birth()
    key = ask(device)
    reply = wait_for(device.replies)[0]
    assert (reply["n"], reply["request"], reply["state"], reply["reference"]) == (1, key, "accepted", "P-0001")
    device.publish("replied", {"epoch": reply["epoch"], "n": 1})
    wait_for(lambda: platform.device("kiosk-1")["replied"] == 1)
    device.heard.clear()
    device.birth()
    device.wait_ack(1)
    assert device.replies() == []


def test_replies_are_sent_again_until_they_are_confirmed(platform, device):
    """On birth, with time, after a restart; a foreign confirmation counts for nothing (R-402, R-404)."""
    device.birth()
    ask(device)
    first = wait_for(device.replies)[0]
    device.publish("replied", {"epoch": "another-stream", "n": 1})
    device.publish("replied", {"epoch": first["epoch"], "n": 99})
    wait_for(lambda: len(device.replies()) >= 2)
    platform.process.kill()
    device.heard.clear()
    platform.start()
    assert wait_for(device.replies)[0] == first
    assert platform.device("kiosk-1")["replied"] == 0


@pytest.mark.parametrize("platform", [("--answer", "manual")], indirect=True)
def test_a_person_decides_on_the_page_and_nobody_else(platform, device):
    """The button needs the page's own token, from the page's own origin; what can't be decided is refused."""
    key = ask(device, comment=MARKUP)
    page = fetch(platform, "/")[2].decode()
    token = re.search(r'name="token" value="([0-9a-f]+)"', page)[1]
    path, yes = f"/requests/{key}", {"decision": "waitlisted", "token": token}
    assert post(platform, path, {**yes, "token": "0" * 32}) == 403
    assert post(platform, path, {**yes, "token": "é"}) == 403
    assert post(platform, path, yes, Sec_Fetch_Site="cross-site") == 403
    assert post(platform, path, yes, Host="rebound.example") == 403
    assert post(platform, path, {**yes, "decision": "received"}) == 400
    assert post(platform, f"/requests/{uuid7()}", yes) == 409
    assert device.replies() == []
    assert post(platform, path, yes) == 303
    assert post(platform, path, {**yes, "decision": "accepted"}) == 303
    assert post(platform, path, {**yes, "decision": "rejected"}) == 409
    wait_for(lambda: [reply["state"] for reply in device.replies()[-2:]] == ["waitlisted", "accepted"])


def test_the_page_shows_everything_and_believes_nothing(platform, device):
    """Hostile texts are escaped, impossible times harm nobody, no foreign script may run (R-703)."""
    window = {"zone": "hall", "access_point": None, "seconds": 300, "observed": 300, "doubt": None}
    window |= {"associated": 120, "online": 15, "arrivals": None, "departures": None}
    for seq, start in ((1, 0), (2, 253402300799)):
        device.publish("ev/presence", [device.event(seq, "presence.window", {**window, "start": start})])
    device.publish(
        "ev/health", [device.event(3, time="0001-01-01T00:00:00+23:59"), device.event(4, time="9999-12-31T23:59:59Z")]
    )
    device.wait_ack(4)
    ask(device, 5, **{MARKUP: MARKUP})
    device.birth(created=5, acked=5)
    wait_for(lambda: platform.device("kiosk-1")["verdict"]["word"] == "complete")
    for language, word in (("fr", "Complet : rien ne manque"), ("en", "Complete: nothing is missing")):
        status, headers, content = fetch(platform, f"/?lang={language}")
        page = content.decode()
        assert status == 200
        assert f'lang="{language}"' in page
        assert word in page
        assert "<script>alert" not in page
        assert page.count("&lt;script&gt;alert") >= 2
        assert "style=" not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_the_page_is_there_before_the_broker(tmp_path, broker):
    """Without a broker and without content the page answers, and says so."""
    broker.process.kill()
    platform = Platform.__new__(Platform)
    platform._healthy = lambda: platform.port and b"ready" in platform._log.read_bytes()
    Platform.__init__(platform, tmp_path, broker)
    try:
        assert fetch(platform, "/healthz")[0] == 503
        assert "Courtier absent" in fetch(platform, "/")[2].decode()
    finally:
        assert platform.process.end() == 0


def test_new_content_is_told_at_once_and_kept_for_later(platform, device, broker):
    """The feed is retained, says timestamp.json's version, and comes within 0.3 s (R-602)."""
    device.birth()
    device.wait_ack(0)
    publish_version(platform, 1)
    wait_for(lambda: ("parvis/1/cite/feed", {"version": 1}) in device.heard)
    began = time.monotonic()
    publish_version(platform, 2)
    wait_for(lambda: ("parvis/1/cite/feed", {"version": 2}) in device.heard)
    assert time.monotonic() - began < 0.3
    late = Device(broker, "kiosk-2")
    wait_for(lambda: ("parvis/1/cite/feed", {"version": 2}) in late.heard)
    late.close()


@pytest.mark.parametrize("platform", [("--feed-site", "elsewhere")], indirect=True)
def test_a_site_without_devices_is_told_when_asked_for(platform, broker):
    """A platform can tell a site before it has heard of any device there."""
    publish_version(platform, 3)
    first = Device(broker, "gateway-1", site="elsewhere")
    wait_for(lambda: ("parvis/1/elsewhere/feed", {"version": 3}) in first.heard)
    first.close()


def test_the_repository_is_served_with_etag_and_range(platform):
    """A download can be resumed and an unchanged file costs nothing (R-601)."""
    (platform.repository / "targets").mkdir()
    (platform.repository / "targets" / "index.json").write_bytes(bytes(range(256)) * 40)
    status, headers, content = fetch(platform, "/repository/targets/index.json")
    assert (status, len(content)) == (200, 10240)
    etag = headers["ETag"]
    assert fetch(platform, "/repository/targets/index.json", If_None_Match=etag)[0] == 304
    status, headers, content = fetch(platform, "/repository/targets/index.json", Range="bytes=10000-")
    assert (status, headers["Content-Range"]) == (206, "bytes 10000-10239/10240")
    assert content == (bytes(range(256)) * 40)[10000:]
    assert fetch(platform, "/repository/targets/index.json", Range="bytes=20000-")[0] == 416
    status, _, content = fetch(platform, "/repository/targets/index.json", Range="bytes=0-9", If_Range='"other"')
    assert (status, len(content)) == (200, 10240)


@pytest.mark.parametrize(
    "path", ["nothing.json", "", "../platform.db", "%2e%2e/platform.db", "/etc/passwd", ".git/config", "targets"]
)
def test_what_is_not_in_the_repository_is_not_found(platform, path):
    """Nothing outside its folder is served, however the path is written."""
    (platform.repository / "targets").mkdir()
    (platform.repository / ".git").mkdir()
    (platform.repository / ".git" / "config").write_text("secret")
    assert fetch(platform, f"/repository/{path}")[0] == 404


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--broker", "http://127.0.0.1"], "mqtt://HOST:PORT"),
        (["--store", "/proc/nowhere/platform.db"], "writable place"),
        (["--port", "TAKEN"], "Choose another"),
    ],
)
def test_a_start_that_can_not_be_is_explained(tmp_path, platform, options, words):
    """One sentence with the remedy and status 2, no stack."""
    options = [str(platform.port) if option == "TAKEN" else option for option in options]
    command = [sys.executable, "-m", "lab.platform", "--store", str(tmp_path / "x.db"), "--broker", "mqtt://127.0.0.1:1",
               "--repository", str(tmp_path), "--port", str(free_port()), *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
