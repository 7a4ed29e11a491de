# SPDX-License-Identifier: EUPL-1.2
"""Whatever is sent, a clear page comes back."""

import random
import string

import pytest

from sync.downlink import content_db

PATHS = [
    "/nowhere",
    "/fr/nowhere",
    "/fr/company/nobody",
    "/fr/event/%00",
    "/%ff%fe",
    "/fr/%c3%28",
    "/fr/company/" + "a" * 20_000,
    "/fr/../../etc/passwd",
    "/fr/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/fr-xyz/",
    "/FR/",
    "/fr/request/not-a-uuid",
    "/fr/request/00000000-0000-0000-0000-000000000000",
    "/fr/plan/rez%0d%0aX-Injected:1",
    "/-/../session.1.js",
    "/-/%2e%2e%2fapp.1.js",
    "/static/../app.py",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_path_is_explained(client, path):
    """4xx or a redirect of ours, never a failure; what is shown is a page with a way home."""
    answer = client.get(path)
    assert answer.status_code in {301, 308, 400, 404, 410}
    if answer.status_code == 404:
        assert "<h1>" in answer.text
        assert 'class="button large"' in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept-Language": "x" * 10_000},
        {"Accept-Language": ";;;q=,,,*;q=nan"},
        {"Cookie": "=;=;\xff"},
        {"Accept-Encoding": "gzip;q=abc"},
        {"Content-Type": "text/plain; charset=nonsense"},
        {"Range": "bytes=9-1"},
        {"X-Forwarded-For": "'; DROP TABLE requests"},
        {"If-Modified-Since": "never"},
        {"Host": "[::1"},
        {"Host": "a b<>"},
        {"Host": "x" * 5000},
        {"Host": ("x" * 64) + ".example"},
        {"Host": "a:99999"},
        {"Host": "a\0b"},
    ],
)
def test_a_wrong_header_changes_nothing(client, headers):
    """Headers are other people's words."""
    assert client.get("/fr/find?q=ard", headers=headers).status_code == 200
    assert client.get("/nowhere", headers=headers).status_code == 404


def test_the_error_speaks_the_language_of_the_address_else_of_the_browser(client):
    """A person reads why in their own language."""
    assert '<html lang="oc"' in client.get("/oc/nowhere").text
    assert '<html lang="es"' in client.get("/nowhere", headers={"Accept-Language": "es-AR,fr;q=0.5"}).text


@pytest.mark.parametrize(
    "query", ["q=%ff%fe", "q=%00", "q=" + "x" * 30_000, "q=\"'*()-", "q=NEAR(a b)", "from=-1&q=&q=b"]
)
def test_any_question_is_safe_to_ask(client, query):
    """Search syntax, broken encodings and length don't matter."""
    assert client.get(f"/fr/find?{query}").status_code == 200
    assert client.get(f"/fr/find/answers?{query}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/fr/"), ("delete", "/leave"), ("put", "/fr/find"), ("get", "/fr/heartbeat")]
)
def test_a_wrong_method_is_explained(client, method, path):
    """405 with a page."""
    answer = getattr(client, method)(path)
    assert answer.status_code == 405
    assert "<h1>" in answer.text


def test_a_form_that_is_too_large_is_explained(client):
    """More than a form of ours could hold is refused before it is read."""
    answer = client.post("/fr/service/message", data={"message": "x" * 200_000})
    assert answer.status_code == 413
    assert "<h1>" in answer.text


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00=%zz", b"message=%ff%fe", b"--x\r\nContent-Disposition: form-data", b"{"]
)
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
)
def test_a_broken_body_is_answered_with_the_form(client, body, kind):
    """What can't be read counts as not answered."""
    assert client.post("/fr/service/message", data=body, content_type=kind).status_code in {303, 400, 422}


def test_random_paths_never_fail(client):
    """Two hundred made-up paths: none ends in a server error."""
    chance = random.Random(7)
    letters = string.printable + "éœ\u202e\U0001f600"
    for _ in range(200):
        path = "/" + "".join(chance.choice(letters) for _ in range(chance.randint(0, 40)))
        raw = path.encode().decode("latin-1")  # as WSGI hands it on (PEP 3333)
        assert client.get("/", environ_overrides={"PATH_INFO": raw}).status_code < 500


@pytest.mark.parametrize(
    "record", [{}, {"fields": "date"}, {"fields": [1, None]}, {"name": 3, "price": [], "kind": None}, {"capacity": "x"}]
)
def test_a_malformed_service_is_still_a_page(client, settings, sample, now, record):
    """Content that lacks what a page shows gives a poorer page."""
    content = sample["content"](now)
    content["services"] = [{"id": "odd", **record}]
    content_db.load(settings.content_db, content, 2, now)
    assert client.get("/fr/services").status_code == 200
    assert client.get("/fr/service/odd").status_code == 200


def test_malformed_records_of_all_kinds_are_still_pages(client, settings, sample, now):
    """No record of the content can take the kiosk down."""
    odd = {
        "park": [{"id": "park", "colours": "red", "tagline": 4}],
        "companies": [{"id": "odd", "tags": "x", "floor": ["a"], "room": {}, "web": 3, "former_names": "y"}],
        "events": [{"id": "odd", "start": "2100-01-01", "title": None, "place": 4}],
        "news": [{"id": "odd", "published": "2020-01-01", "source": {"fr": "ici"}, "body": 4}],
        "plans": [{"id": "odd", "svg": 3, "places": [None, {"id": "p"}, {"id": "q", "x": "1", "y": 2}]}],
        "stops": [{"id": "odd"}],
        "services": [],
        "pages": [{"id": "about"}, {"id": "contacts", "body": []}],
    }
    content_db.load(settings.content_db, odd, 2, now)
    pages = [
        "",
        "find",
        "company/odd",
        "events",
        "event/odd",
        "news",
        "news/odd",
        "plan",
        "plan/odd",
        "transport",
        "help",
        "page/about",
    ]
    found = {page: client.get(f"/fr/{page}").status_code for page in pages}
    assert set(found.values()) == {200}, found
    assert client.get("/").status_code == 200
