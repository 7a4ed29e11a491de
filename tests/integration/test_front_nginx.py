# SPDX-License-Identifier: EUPL-1.2
"""The front on devices: nginx with the role's own configuration answers what isn't HTTP as the front of ours does."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from captive_portal import turned_away
from lab.nginx import configuration, variables_of_role
from lab.ports import free_port
from sync.release import gate

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt install nginx-light"),
]


@contextmanager
def nginx(folder):
    """Run nginx with the role's configuration moved into `folder`; yield its port."""
    number = free_port()
    text = configuration(
        folder, "127.0.0.1/8", port=number, parvis_portal={"hostname": "portail.example.net"}, portal_rate=1000
    )
    (folder / "nginx.conf").write_text(text.replace("flush=1s", "flush=50ms"))
    with (folder / "log").open("wb") as log:
        words = [NGINX, "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", number), 1).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
    yield number
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with nginx(tmp_path_factory.mktemp("front")) as number:
        yield number


def ask(port, data):
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT site.example:443 HTTP/1.1\r\nHost: site.example:443\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nB: " + b"a" * 40_000 + b"\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_not_http_is_led_to_the_portal(port, data):
    """302 to the portal's absolute address, small and never stored: never nginx's own page of an error."""
    answer = ask(port, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 302 "), answer[:300]
    assert b"\r\nLocation: http://portail.example.net/" in head
    assert b"\r\nCache-Control: no-store" in head
    assert len(body) < 1000


def test_a_detector_is_led_to_the_portal_without_asking_it(port):
    """The portal is away here. Whoever may want to return to where they were is left to it."""
    for host in variables_of_role()["portal_detectors"]:
        head = ask(port, f"GET /generate_204?x HTTP/1.1\r\nHost: {host.upper()}\r\n\r\n".encode())
        assert head.startswith(b"HTTP/1.1 302 "), head
        assert b"\r\nLocation: http://portail.example.net/\r\n" in head
        assert b"\r\nCache-Control: no-store" in head
    assert ask(port, b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def test_a_release_is_judged_by_what_the_portal_itself_answers():
    """The front answers detectors without it: a release whose portal doesn't start would pass for a good one."""
    tasks = yaml.safe_load((ROOT / "ansible/roles/base/tasks/health.yml").read_text())
    asked = [task["ansible.builtin.uri"]["headers"]["Host"] for task in tasks if "guest" in task["name"]]
    assert asked == [gate._FOREIGN[1]]
    assert not set(asked) & set(turned_away.DETECTORS)


def test_nginx_knows_the_same_detectors_as_the_portal():
    """Less the one whose page is read afterwards: to that one people return."""
    known = set(turned_away.DETECTORS) - {"detectportal.firefox.com"}
    assert set(variables_of_role()["portal_detectors"]) == known


def test_without_the_portal_a_page_says_so(port):
    """A sound request while the portal is away gets a page that tries again by itself."""
    answer = ask(port, b"GET / HTTP/1.1\r\nHost: portail.example.net\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in answer
