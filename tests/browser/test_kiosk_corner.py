# SPDX-License-Identifier: EUPL-1.2
"""The public service corner in a real Chromium behind a real proxy: what is listed opens, and nothing stays."""

import dataclasses
import os
import socket
import ssl
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_core.errors import ContentError
from kiosk import corner_ready, corner_wish
from lab import corner_browser
from lab.ports import free_port
from sync.downlink import content_db

from .kiosk_page import SAMPLE

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.browser,
    pytest.mark.skipif(bool(corner_browser.missing()), reason=f"not installed: {', '.join(corner_browser.missing())}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a resolver of its own and port 443 need root"),
]
THERE = "127.0.7.7"
LISTED, NEEDED, OTHER = "demarches.example", "connexion.example", "elsewhere.example"
NAMES = {LISTED: THERE, f"www.{LISTED}": THERE, NEEDED: THERE, OTHER: THERE, f"{LISTED}.{OTHER}": THERE}
REFUSED = ("file:///etc/passwd", "http://127.0.0.1:8081/", f"https://{LISTED}:8443/", f"https://{LISTED}.{OTHER}/")
SECRET = "Introuvable"
PAGE = f"""<!doctype html><meta charset=utf-8><title>Exemple</title><h1>Exemple</h1>
<form action="/found"><input id=q name=q style="font-size:2rem"></form>
<p><a id=other href="https://{OTHER}/">out</a> <a id=near href="https://www.{LISTED}/next" target=_blank>near</a></p>
<img src="https://{OTHER}/a.png"><img src="https://{NEEDED}/b.png">
<dialog id=modal><p>modal</p></dialog>
<script>
document.cookie = "who={SECRET}; max-age=99999"; localStorage.who = localStorage.who || "";
addEventListener("beforeunload", (event) => event.preventDefault());
fetch("https://{OTHER}/c").catch(() => {{}});
</script>"""
SOON = 60.0


def until(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(playwright_api.Error):
            if found := condition():
                return found
        time.sleep(0.1)
    return None


def signed():
    """Return a certificate of all these hosts, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exemple")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in NAMES]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made, key


@pytest.fixture(scope="module")
def internet(tmp_path_factory):
    """Every site of this test, on one address; `heard` is what each host was asked. Gives (authority, heard)."""
    made, key = signed()
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    heard: dict[str, list[str]] = {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.setdefault(self.headers["Host"], []).append(self.path)
            body = PAGE.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = ThreadingHTTPServer((THERE, 443), Site)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made.public_bytes(serialization.Encoding.DER), heard
    server.shutdown()
    server.server_close()


@pytest.fixture
def kiosk(settings, sample_content):
    """A kiosk whose content lists one site."""
    content_db.load(settings.content_db, sample_content, 2, time.time())
    return dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, public_corner=True))


@pytest.fixture
def sample_content():
    site = {"id": "demarches", "name": {"fr": "Démarches"}, "web": f"https://{LISTED}/", "hosts": [LISTED, NEEDED]}
    return {**SAMPLE["content"](time.time()), "administrations": [site]}


@contextmanager
def visit(folder, kiosk, authority):
    """Choose the site on the kiosk; give the browser, its first page, a way to look at others, the proxy's address."""
    proxy = ("127.0.0.1", free_port())
    corner_wish.leave(kiosk.run_dir, corner_wish.Wish("demarches", "fr", time.time()))
    with (
        corner_browser.opened(folder, kiosk, NAMES, authority, proxy) as browser,
        playwright_api.sync_playwright() as playwright,
    ):

        def look(scheme):
            """Return a page of that scheme that has the bar; the extension's are known to a new connection only."""

            def found():
                contexts = playwright.chromium.connect_over_cdp(browser.debugging).contexts
                pages = [page for context in contexts for page in context.pages if page.url.startswith(scheme)]
                return next((page for page in pages if page.query_selector("parvis-bar")), None)

            page = until(found)
            assert page, browser.pages()
            return page

        page = look("https:")
        yield browser, page, look, proxy


def refusals(browser):
    """Return how many pages say that a site isn't of the list; none where something else is shown, or still loaded."""
    shown = [url for url in browser.pages() if not url.startswith(("chrome://", f"https://{LISTED}/"))]
    return len(shown) if all(url.endswith("/away.html#refused") for url in shown) else 0


def place(page, act):
    """Return where a button of the bar is: its root is closed to pages, and open to DevTools."""
    link = page.context.new_cdp_session(page)
    link.send("DOM.enable")
    nodes = link.send("DOM.getFlattenedDocument", {"depth": -1, "pierce": True})["nodes"]
    for node in nodes:
        given = node.get("attributes", [])
        if dict(zip(given[::2], given[1::2], strict=True)).get("data-act" if len(act) > 1 else "data-key") == act:
            with suppress(playwright_api.Error):
                box = link.send("DOM.getBoxModel", {"nodeId": node["nodeId"]})["model"]["border"]
                return (box[0] + box[2]) / 2, (box[1] + box[5]) / 2
    return None


def press(page, act):
    """Touch a button of the bar or a key."""
    found = until(lambda: place(page, act))
    assert found, act
    page.mouse.click(*found)


def ask(proxy, target):
    """Ask the proxy for a tunnel; return its status, 200 or another."""
    with socket.create_connection(proxy, timeout=SOON) as link:
        link.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return int(link.recv(100).split()[1])


def test_what_is_listed_opens_and_nothing_else(kiosk, internet, tmp_path):
    """A visit: type and send by the bar's keys, go on to a listed host, be refused elsewhere, finish."""
    authority, heard = internet
    heard.clear()
    folder = tmp_path / "corner"
    with visit(folder, kiosk, authority) as (browser, page, look, proxy):
        assert page.inner_text("h1") == "Exemple"
        page.click("#q")
        for key in "zou":
            press(page, key)
        page.wait_for_function("() => document.getElementById('q').value === 'zou'")
        page.fill("#q", SECRET)
        page.evaluate(f"localStorage.who = '{SECRET}'")
        press(page, "⏎")
        assert until(lambda: f"/found?q={SECRET}" in heard[LISTED])
        page.wait_for_selector("parvis-bar", state="attached")
        assert until(lambda: NEEDED in heard)  # a host that the site needs, for its image
        page.screenshot(path=tmp_path / "site.png")
        page.evaluate("document.getElementById('modal').showModal()")  # all but it is deaf now, not the bar
        press(page, "move")
        assert until(lambda: place(page, "finish")[1] > 1500)
        press(page, "move")
        page.evaluate(f"location.href = 'https://{OTHER}/'")
        assert until(lambda: refusals(browser) == 1), browser.pages()
        for address in REFUSED:
            told = urllib.request.Request(f"{browser.debugging}/json/new?{quote(address)}", method="PUT")
            urllib.request.urlopen(told, timeout=SOON).close()
        assert until(lambda: refusals(browser) == 1 + len(REFUSED)), browser.pages()
        refused = look("chrome-extension:")
        refused.bring_to_front()
        assert refused.inner_text("h1") == "Ce site ne peut pas s’ouvrir ici."
        refused.screenshot(path=tmp_path / "refused.png")
        statuses = {name: ask(proxy, f"{name}:443") for name in NAMES}
        assert statuses == {LISTED: 200, f"www.{LISTED}": 200, NEEDED: 200, OTHER: 403, f"{LISTED}.{OTHER}": 403}
        assert ask(proxy, f"{LISTED}:22") == 403
        press(refused, "finish")
        assert until(lambda: not browser.alive())
    assert OTHER not in heard
    assert f"{LISTED}.{OTHER}" not in heard


def alone_for(page, seconds):
    """Have the last touch be so many seconds ago, in the one place that knows of it."""
    worker = until(lambda: next(iter(page.context.service_workers), None))
    worker.evaluate("ago => chrome.storage.session.set({ last: Date.now() - ago * 1000 })", seconds)


def test_the_next_visitor_finds_nothing_and_an_idle_visit_ends(kiosk, internet, tmp_path):
    """Left alone, one is asked, then the browser ends by itself; the next visitor has no cookie, storage or history."""
    authority, _ = internet
    folder = tmp_path / "corner"
    with visit(folder, kiosk, authority) as (browser, page, _, _):
        page.evaluate(f"localStorage.who = '{SECRET}'")
        assert SECRET in page.evaluate("document.cookie")
        assert place(page, "stay") is None
        alone_for(page, corner_ready.IDLE + 1)
        press(page, "stay")
        assert until(lambda: place(page, "stay") is None)
        alone_for(page, corner_ready.IDLE + corner_ready.WARNING + 1)
        assert until(lambda: not browser.alive())
    left = [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert [path for path in left if folder / "profile" not in path.parents] == []
    with visit(tmp_path / "next", kiosk, authority) as (_, page, _, _):
        assert page.evaluate("[localStorage.who, history.length]") == ["", 1]


def test_what_nobody_chose_is_not_opened(kiosk, tmp_path):
    """Without a wish, with an old one, or one for a site that isn't listed, there are no rules, and no corner."""
    for wish in (None, ("demarches", time.time() - 3600), ("mairie", time.time())):
        if wish:
            corner_wish.leave(kiosk.run_dir, corner_wish.Wish(wish[0], "fr", wish[1]))
        with pytest.raises(ContentError):
            corner_ready.write(kiosk, tmp_path / "rules", {})
    assert not (tmp_path / "rules").exists()
