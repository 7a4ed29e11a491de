# SPDX-License-Identifier: EUPL-1.2
"""The way down over real HTTP, with the real commands: what a cut, a killed process or a lost server leaves behind."""

import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge_core import clock, settings
from edge_core.store.replica import Replica
from sync.downlink import Downlink
from sync.downlink import http as road
from sync.publish import keys, publisher

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `cut` ends a file's transfer half-way, `stall` never ends it."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        data = source.read()
        fault = self.server.faults.get(self.path.split("/")[1])
        if fault is None:
            outputfile.write(data)
            return
        outputfile.write(data[: len(data) // 2])
        outputfile.flush()
        if fault == "stall":
            self.server.released.wait(30)
        self.close_connection = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@contextmanager
def serving(folder):
    server = Server(("127.0.0.1", 0), lambda *values: Handler(*values, directory=str(folder)))
    server.faults, server.released = {}, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def parvis(*words, check=True):
    command = [sys.executable, "-m", "edge_core.cli", *map(str, words)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=check, timeout=60)


def publish(folder):
    publisher.publish(folder / "source", folder / "repository", folder / "keys", clock.now())


@pytest.fixture
def place(tmp_path):
    shutil.copytree(ROOT / "content" / "demo", tmp_path / "source")
    keys.make(tmp_path / "keys", clock.now())
    publish(tmp_path)
    with serving(tmp_path / "repository") as server:
        tmp_path.joinpath("device.toml").write_text(
            f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "device"\nstate_dir = "{tmp_path}/state"\n'
            f'[content]\nurl = "http://127.0.0.1:{server.server_port}/"\nroot = "{tmp_path}/keys/root.json"\n',
            encoding="utf-8",
        )
        yield tmp_path, server


@pytest.fixture
def device(place):
    folder, _ = place
    configuration = settings.load(folder / "device.toml")
    with closing(Downlink(configuration)) as downlink, closing(Replica(configuration.content_db)) as replica:
        yield downlink, replica


def change(folder):
    path = folder / "source" / "companies.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("couvreurs", "zingueurs"), encoding="utf-8")
    publish(folder)


def activity(replica):
    return replica.get("companies", "exemple-ardoise")["activity"]["fr"]


def test_the_commands_from_a_folder_to_a_device(place):
    """keys make, publish, content check and content status do the whole way, in words and in JSON."""
    folder, _ = place
    parvis("keys", "make", folder / "other-keys")
    report = parvis("publish", folder / "source", folder / "other", "--keys", folder / "other-keys", "--json")
    assert json.loads(report.stdout)["version"] == 1
    assert parvis("content", "status", "--config", folder / "device.toml").stdout == "No content yet.\n"
    assert "Content version 1, just applied." in parvis("content", "check", "--config", folder / "device.toml").stdout
    state = json.loads(parvis("content", "status", "--json", "--config", folder / "device.toml").stdout)
    assert state["version"] == 1
    again = parvis("content", "check", "--json", "--config", folder / "device.toml")
    assert json.loads(again.stdout) == {"changed": False, "version": 1, "error": None}


def test_a_change_arrives(place, device):
    """What is published is on the page after the next look, for a reader that was open all the time."""
    downlink, replica = device
    assert downlink.check().version == 1
    assert "couvreurs" in activity(replica)
    change(place[0])
    result = downlink.check()
    assert (result.changed, result.version, result.error) == (True, 2, None)
    assert "zingueurs" in activity(replica)


@pytest.mark.parametrize("what", ["metadata", "targets", "segments"])
@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_broken_transfer_changes_nothing(place, device, monkeypatch, what, fault):
    """A connection that is cut or stalls half-way is told, and the next look succeeds."""
    monkeypatch.setattr(road, "TIMEOUT", 0.3)
    folder, server = place
    downlink, replica = device
    assert downlink.check().version == 1
    change(folder)
    server.faults[what] = fault
    result = downlink.check()
    assert result.error is not None
    assert result.error.remedy
    assert (result.changed, result.version) == (False, 1)
    assert "couvreurs" in activity(replica)
    server.faults.clear()
    assert downlink.check().version == 2


def test_a_server_that_is_away_changes_nothing(tmp_path, place, device):
    """Nobody listens: the error says so, and the content stays."""
    downlink, replica = device
    assert downlink.check().version == 1
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        text = (tmp_path / "device.toml").read_text(encoding="utf-8")
        port = str(place[1].server_port)
        (tmp_path / "device.toml").write_text(text.replace(port, str(closed.getsockname()[1])), encoding="utf-8")
        with closing(Downlink(settings.load(tmp_path / "device.toml"))) as elsewhere:
            result = elsewhere.check()
    assert "can't be fetched" in str(result.error)
    assert (result.changed, result.version) == (False, 1)
    assert "couvreurs" in activity(replica)


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from edge_core import clock, settings
from sync.downlink import Downlink, apply, content_db

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

place = sys.argv[2]
if place == "before the transaction":
    apply._commit = kill
elif place == "in the transaction":
    content_db.ContentDatabase.set_cursor = kill
elif place == "before the commit":
    real = content_db.ContentDatabase.set_meta
    content_db.ContentDatabase.set_meta = lambda *values: kill() if values[1] == "checked_at" else real(*values)
elif place == "after the commit":
    real = apply._commit
    apply._commit = lambda *values: (real(*values), kill())
elif place == "between blobs":
    from sync.downlink.road import Road
    Road.fetch_to = kill
Downlink(settings.load(Path(sys.argv[1]))).check()
"""


@pytest.mark.parametrize(
    ("moment", "new"),
    [
        ("between blobs", False),
        ("before the transaction", False),
        ("in the transaction", False),
        ("before the commit", False),
        ("after the commit", True),
    ],
)
def test_killed_at_any_moment_the_content_is_old_or_new(place, device, moment, new):
    """kill -9 while new content is applied leaves one version or the other, whole; the next look completes it."""
    folder, _ = place
    downlink, replica = device
    assert downlink.check().version == 1
    downlink.close()
    plan = folder / "source" / "plan" / "etage-1.svg"
    plan.write_text(plan.read_text(encoding="utf-8").replace("<title", "<desc>x</desc><title", 1), encoding="utf-8")
    change(folder)
    command = [sys.executable, "-c", KILLED_AT, str(folder / "device.toml"), moment]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert replica.version() == (2 if new else 1)
    assert ("zingueurs" if new else "couvreurs") in activity(replica)
    assert all(replica.blob_path(plan["svg"]) for plan in replica.list("plans"))
    assert downlink.check().error is None
    assert replica.version() == 2
    assert all(replica.blob_path(plan["svg"]) for plan in replica.list("plans"))


def test_watch_publishes_a_change_by_itself(place, tmp_path):
    """`publish --watch` says what was wrong and goes on; a good change is signed without another word."""
    folder, _ = place
    timestamp = folder / "repository" / "metadata" / "timestamp.json"
    command = [sys.executable, "-m", "edge_core.cli", "publish", "source", "repository", "--keys", "keys", "--watch"]
    with (tmp_path / "watch.log").open("wb") as log:
        watching = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
        try:
            wait_for(lambda: "nothing changed" in (tmp_path / "watch.log").read_text(), 30)
            table = folder / "source" / "companies.csv"
            good = table.read_text(encoding="utf-8")
            before = timestamp.read_bytes()
            table.write_text(good.replace("bonjour@ardoise.example", "bonjour"), encoding="utf-8")
            wait_for(lambda: "companies.csv, line 2" in (tmp_path / "watch.log").read_text(), 30)
            assert timestamp.read_bytes() == before
            table.unlink()
            table.mkdir()
            wait_for(lambda: "Is a directory" in (tmp_path / "watch.log").read_text(), 30)
            table.rmdir()
            table.write_text(good.replace("couvreurs", "zingueurs"), encoding="utf-8")
            wait_for(lambda: timestamp.read_bytes() != before, 30)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(30) == 0
        finally:
            watching.kill()
            watching.wait(10)


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
