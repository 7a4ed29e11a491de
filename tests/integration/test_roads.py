# SPDX-License-Identifier: EUPL-1.2
"""The roads of content: a server that cuts, drips, asks for patience or has nothing new; and neighbours next door."""

import hashlib
import http.server
import shutil
import socket
import socketserver
import threading
import time
import tracemalloc
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge_core import clock, settings
from edge_core.errors import NetworkError
from edge_core.store.replica import Replica
from sync.downlink import Downlink, check
from sync.downlink import http as road_http
from sync.downlink.repository_format import FileRef
from sync.downlink.road import Road, ServerBusyError
from sync.publish import keys, publisher
from sync.sharing import Sharing, located
from sync.stick import FolderFetcher

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


class Handler(http.server.BaseHTTPRequestHandler):
    """A static server with ETag and Range, which counts what it sends and does what `fault` says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range", "")))
        path = server.folder / self.path.lstrip("/")
        if server.hostile:
            server.hostile(self)
            return
        if server.busy:
            self.send_response(503)
            self.send_header("Retry-After", server.busy)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        data, tag = path.read_bytes(), f'"{path.stat().st_mtime_ns}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        start = 0
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", tag)
        if server.encoded:
            self.send_header("Content-Encoding", server.encoded)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.send(data[start:])

    def send(self, data):
        cut, self.server.cut_after = self.server.cut_after, None
        if cut is not None:
            self.wfile.write(data[:cut])
            self.close_connection = True
            return
        if self.server.drip:
            for byte in data:
                if self.server.ended.wait(0.02):
                    return
                self.wfile.write(bytes([byte]))
            return
        self.server.sent += len(data)
        self.wfile.write(data)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextmanager
def serving(folder):
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.asked, server.sent, server.ranges = folder, [], 0, True
    server.hostile, server.encoded = None, ""
    server.busy, server.cut_after, server.drip, server.ended = "", None, False, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


BLOB = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def big(tmp_path):
    file = FileRef(hashlib.sha256(BLOB).hexdigest(), len(BLOB))
    (tmp_path / "served" / "blobs").mkdir(parents=True)
    (tmp_path / "served" / "blobs" / file.sha256).write_bytes(BLOB)
    with serving(tmp_path / "served") as server:
        yield server, file, Road(f"http://127.0.0.1:{server.server_port}"), tmp_path / "blob"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_large_file_goes_on_where_it_was_cut(big, ranges):
    """After a cut, only the rest is asked for; from a server without ranges, everything again."""
    server, file, road, target = big
    server.ranges, server.cut_after = ranges, 700_000
    with pytest.raises(Exception, match="can't be fetched"):
        road.fetch_to(f"blobs/{file.sha256}", file, target)
    assert not target.exists()
    road.fetch_to(f"blobs/{file.sha256}", file, target)
    assert target.read_bytes() == BLOB
    assert server.asked[-1][1].startswith("bytes=")
    assert (server.sent < len(BLOB)) is ranges


def test_a_damaged_half_is_not_believed(big):
    """When what was held before is not what was signed, it is thrown away, and the next try is whole."""
    _, file, road, target = big
    target.with_name(f".{target.name}.partial").write_bytes(b"x" * 600_000)
    with pytest.raises(Exception, match="not the file that was signed"):
        road.fetch_to(f"blobs/{file.sha256}", file, target)
    road.fetch_to(f"blobs/{file.sha256}", file, target)
    assert target.read_bytes() == BLOB


def test_a_neighbour_that_lies_costs_nothing_of_what_came(big, tmp_path):
    """What a neighbour gives stands apart from the half that the repository gave, which is gone on with."""
    server, file, road, target = big
    server.cut_after = 700_000
    with pytest.raises(Exception, match="can't be fetched"):
        road.fetch_to(f"blobs/{file.sha256}", file, target)
    (tmp_path / "liar" / "blobs").mkdir(parents=True)
    (tmp_path / "liar" / "blobs" / file.sha256).write_bytes(bytes(len(BLOB)))
    with serving(tmp_path / "liar") as liar:
        road = Road(road.url, neighbours=[f"http://127.0.0.1:{liar.server_port}"])
        road.fetch_to(f"blobs/{file.sha256}", file, target)
        assert liar.sent == len(BLOB)
    assert target.read_bytes() == BLOB
    assert (road.spared, road.octets) == (0, server.sent)
    assert server.sent < len(BLOB)


def test_a_large_file_never_stands_in_memory(tmp_path):
    """From a stick or a neighbour neither: `sync` has 96 MB for all that it does, and a bundle may be larger."""
    (tmp_path / "near" / "blobs").mkdir(parents=True)
    data = bytes(24 << 20)
    file = FileRef(hashlib.sha256(data).hexdigest(), len(data))
    (tmp_path / "near" / "blobs" / file.sha256).write_bytes(data)
    del data
    stick = Road("stick://here", FolderFetcher(tmp_path / "near"))
    road = Road("http://127.0.0.1:9", FolderFetcher(tmp_path / "near"), neighbours=["stick://here"])
    tracemalloc.start()
    try:
        stick.fetch_to(f"blobs/{file.sha256}", file, tmp_path / "one")
        road.fetch_to(f"blobs/{file.sha256}", file, tmp_path / "two")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert road.spared == file.bytes


def test_a_server_that_drips_is_given_up(big, monkeypatch):
    """A byte now and then keeps no device busy for ever: the whole file has a deadline."""
    monkeypatch.setattr(road_http, "GRACE", 0.5)
    server, file, road, target = big
    server.drip = True
    begun = time.monotonic()
    with pytest.raises(Exception, match="can't be fetched"):
        road.fetch_to(f"blobs/{file.sha256}", file, target)
    assert time.monotonic() - begun < 5


def test_a_head_that_drips_is_given_up(big, monkeypatch):
    """Neither a neighbour nor a server holds a device by the lines before the file."""
    monkeypatch.setattr(road_http, "GRACE", 0.5)
    server, file, road, _ = big

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(2000):
            if server.ended.wait(0.02):
                return
            handler.wfile.write(b"x")
        handler.wfile.write(f"\r\nContent-Length: {len(BLOB)}\r\n\r\n".encode() + BLOB)

    server.hostile = drip
    with pytest.raises(NetworkError, match="can't be fetched"):
        road.fetch(f"blobs/{file.sha256}", file)


def test_a_redirection_is_followed_without_its_body(big):
    """It leads on, three times at most; what else it says, however long, is not read."""
    server, file, road, _ = big
    hops, piece = [], bytes(1 << 20)

    def lead_on(handler):
        hops.append(handler.path)
        if len(hops) == server.enough:
            server.hostile = None
        handler.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: {handler.path}\r\n\r\n".encode())
        handler.close_connection = True
        for _ in range(64):
            handler.wfile.write(piece)
            server.sent += len(piece)

    server.hostile, server.enough = lead_on, 3
    assert road.fetch(f"blobs/{file.sha256}", file) == BLOB
    server.hostile, server.enough = lead_on, 99
    with pytest.raises(NetworkError, match="can't be fetched"):
        road.fetch(f"blobs/{file.sha256}", file)
    assert len(hops) == 3 + 4
    assert server.sent < 7 * 64 * len(piece) / 2


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_compressed_file_is_taken_as_it_is(big, encoding):
    """Some servers call it an encoding by its name; what is signed is the file as it stands there."""
    server, file, road, _ = big
    server.encoded = encoding
    assert road.fetch(f"blobs/{file.sha256}", file) == BLOB


def test_a_server_that_asks_for_patience_gets_it(big):
    """503 with Retry-After is told as seconds to wait, and never as more than some hours."""
    server, file, road, target = big
    server.busy = "17"
    with pytest.raises(ServerBusyError) as raised:
        road.fetch_to(f"blobs/{file.sha256}", file, target)
    assert raised.value.wait == 17.0
    server.busy = "999999999"
    with pytest.raises(ServerBusyError) as raised:
        road.fetch("blobs/x", file)
    assert raised.value.wait <= 6 * 3600


@pytest.fixture
def site(tmp_path):
    """Return folder, upstream server and a maker of devices."""
    shutil.copytree(ROOT / "content" / "demo", tmp_path / "source")
    keys.make(tmp_path / "keys", clock.now())
    publisher.publish(tmp_path / "source", tmp_path / "repository", tmp_path / "keys", clock.now())
    with serving(tmp_path / "repository") as server:
        yield tmp_path, server


def device(folder, name, url, more=""):
    file = folder / f"{name}.toml"
    file.write_text(
        f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "{name}"\nstate_dir = "{folder}/{name}"\n'
        f'[content]\nurl = "{url}"\nroot = "{folder}/keys/root.json"\n{more}',
        encoding="utf-8",
    )
    return settings.load(file, {})


def publish_change(folder):
    path = folder / "source" / "companies.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("couvreurs", "zingueurs"), encoding="utf-8")
    publisher.publish(folder / "source", folder / "repository", folder / "keys", clock.now())


def test_nothing_new_costs_a_header(site):
    """An idle look is answered 304: no byte of the timestamp comes again."""
    folder, server = site
    with closing(Downlink(device(folder, "one", f"http://127.0.0.1:{server.server_port}"))) as downlink:
        assert downlink.check().version == 1
        server.sent = 0
        for _ in range(3):
            assert downlink.check().error is None
        assert server.sent == 0
        publish_change(folder)
        assert downlink.check().version == 2


def test_a_site_downloads_once(site, monkeypatch):
    """A second device takes the files from its neighbour; the repository only gives it TUF's own and the index."""
    monkeypatch.setattr(check, "_PATIENCE", 20.0)  # however long the neighbour takes on a loaded machine
    folder, server = site
    url = f"http://127.0.0.1:{server.server_port}"
    first = device(folder, "one", url, 'share = "127.0.0.1:0"\n')
    with closing(Downlink(first)) as downlink:
        assert downlink.check().version == 1
        sharing = Sharing(first).start()
        try:
            neighbour = f"http://127.0.0.1:{sharing.port}"
            second = device(folder, "two", url, f'neighbours = ["{neighbour}"]\n')
            server.asked.clear()
            with closing(Downlink(second, neighbours=lambda: second.content.neighbours)) as other:
                assert other.check().error is None
                assert not [path for path, _ in server.asked if not path.startswith(("/metadata", "/targets"))]
                publish_change(folder)
                late = threading.Timer(0.7, downlink.check)
                late.start()
                server.asked.clear()
                assert other.check().version == 2, "waits a moment for the neighbour to have it"
                late.join()
                segments = [path for path, _ in server.asked if path.startswith("/segments")]
                assert len(segments) == 1, "one device of the two fetched it"
        finally:
            sharing.stop()


def test_without_uplink_a_neighbour_is_a_road(site):
    """A device that never saw the repository comes up from its neighbour alone, verified all the same."""
    folder, server = site
    first = device(folder, "one", f"http://127.0.0.1:{server.server_port}", 'share = "127.0.0.1:0"\n')
    with closing(Downlink(first)) as downlink:
        assert downlink.check().version == 1
    sharing = Sharing(first).start()
    try:
        neighbour = f"http://127.0.0.1:{sharing.port}"
        second = device(folder, "two", "", f'neighbours = ["{neighbour}"]\n')
        with closing(Downlink(second, neighbours=lambda: second.content.neighbours)) as other:
            result = other.check()
            assert (result.version, result.error) == (1, None)
        with closing(Replica(second.content_db)) as replica:
            assert all(replica.blob_path(plan["svg"]) for plan in replica.list("plans"))
    finally:
        sharing.stop()


def test_a_neighbour_that_lies_costs_nothing(site):
    """Wrong bytes from next door are refused by their digest; the repository is asked instead."""
    folder, server = site
    liar = folder / "liar"
    shutil.copytree(folder / "repository", liar)
    for path in [*liar.glob("blobs/*"), *liar.glob("snapshots/*")]:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with serving(liar) as other:
        named = f"http://127.0.0.1:{other.server_port}"
        configuration = device(folder, "two", f"http://127.0.0.1:{server.server_port}", f'neighbours = ["{named}"]\n')
        with closing(Downlink(configuration, neighbours=lambda: (named,))) as downlink:
            assert (downlink.check().version, downlink.check().error) == (1, None)


HOSTILE = [
    "/edge.db", "/../edge.db", "/metadata/../../edge.db", "/blobs/../edge.db", "/%2e%2e/edge.db", "/metadata/.json",
    "/metadata/1.%2e%2e/x.json", "//etc/passwd", "/blobs/" + "0" * 63, "/snapshots/" + "0" * 64, "/", "/metadata/",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_nothing_but_content_is_shared(site, path):
    """Whatever path is asked for, only the repository's own files can be named."""
    folder, server = site
    configuration = device(folder, "one", f"http://127.0.0.1:{server.server_port}", 'share = "127.0.0.1:0"\n')
    (configuration.device.state_dir).mkdir(exist_ok=True)
    (configuration.device.state_dir / "edge.db").write_text("secret")
    sharing = Sharing(configuration).start()
    try:
        with socket.create_connection(("127.0.0.1", sharing.port), 5) as raw:
            raw.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = raw.makefile("rb").read()
        assert b" 404 " in answer.split(b"\r\n")[0]
        assert b"secret" not in answer
    finally:
        sharing.stop()
    assert located("metadata/2.root.json", configuration).parent.name == "root_history"


def test_a_reader_that_takes_nothing_keeps_nobody_away(site):
    """Connections that only stand there are bounded, and others are served meanwhile."""
    folder, server = site
    first = device(folder, "one", f"http://127.0.0.1:{server.server_port}", 'share = "127.0.0.1:0"\n')
    with closing(Downlink(first)) as downlink:
        downlink.check()
    sharing = Sharing(first).start()
    try:
        idle = [socket.create_connection(("127.0.0.1", sharing.port), 5) for _ in range(10)]
        url = f"http://127.0.0.1:{sharing.port}/metadata/timestamp.json"
        assert urllib.request.urlopen(url, timeout=5).read()
        for each in idle:
            each.close()
    finally:
        sharing.stop()
