# SPDX-License-Identifier: EUPL-1.2
"""Settings that the platform wishes for, the whole way: its page, the broker, `parvis run`, and back by themselves."""

import json
import re
import shutil
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

import psutil
import pytest

from edge_core import settings
from lab.faults.site import Broker, Process, until
from lab.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),  # a wish is tried for up to 40 s, on a busy machine with all the waiting around it
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


class Zone:
    """A broker, the reference platform, and a kiosk that `parvis run` runs."""

    def __init__(self, folder):
        self.broker = Broker(folder / "broker")
        self.broker.start()
        (folder / "repository").mkdir()
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.platform = Process(
            [sys.executable, "-m", "lab.platform", "--store", str(folder / "platform.db"), "--repository",
             str(folder / "repository"), "--broker", f"mqtt://127.0.0.1:{self.broker.port}", "--port", str(port)],
            folder / "platform.log",
        )  # fmt: skip
        self.config = folder / "parvis.toml"
        self.config.write_text(
            f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "kiosk-1"\nstate_dir = "{folder}/state"\n'
            f'[enforcement]\nmode = "none"\n[mqtt]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n'
            f"[kiosk]\nport = {free_port()}\n[desired]\npatience = 40\n"
        )
        words = [sys.executable, "-m", "edge_core.cli", "run", "kiosk", "--config", str(self.config)]
        self.device = Process(words, folder / "device.log")
        self.platform.start()
        self.device.start()
        until(lambda: self.devices() and self.devices()[0]["online"], 60, "the device at the platform")

    def devices(self):
        try:
            with urllib.request.urlopen(f"{self.url}/api/state", timeout=10) as answer:
                return json.load(answer)["devices"]
        except OSError:
            return []

    def state(self):
        """Return the generation of the wish and what became of it."""
        wish = self.devices()[0]["desired"]
        return (wish["generation"], wish["state"]) if wish else None

    def wish(self, **values):
        """Fill in the form of the page."""
        with urllib.request.urlopen(f"{self.url}/", timeout=10) as answer:
            token = re.search(rb'name="token" value="([0-9a-f]+)"', answer.read())[1].decode()
        form = {"token": token, **{name.replace("__", "."): value for name, value in values.items()}}
        request = urllib.request.Request(
            f"{self.url}/devices/parc/kiosk-1/desired", urllib.parse.urlencode(form).encode()
        )
        urllib.request.urlopen(request, timeout=10).close()

    def be_patient(self, seconds):
        """Say how long a trial may take; `sync` reads it as it starts again with the wish."""
        text = self.config.read_text()
        self.config.write_text(re.sub(r"(?m)^patience = \d+$", f"patience = {seconds}", text))

    def pages(self):
        """Return the processes of the kiosk's pages."""
        return [
            each for each in psutil.Process(self.device.popen.pid).children(recursive=True)
            if "kiosk.wsgi:app" in each.cmdline()
        ]  # fmt: skip

    def close(self):
        self.platform.kill()
        self.broker.kill()
        self.device.popen.terminate()  # the supervisor ends its children in their own time
        self.device.popen.wait(90)


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    made = Zone(tmp_path_factory.mktemp("wishes"))
    yield made
    made.close()


def interval(zone):
    return settings.load(zone.config, {}).content.interval


def test_a_wish_of_the_page_is_tried_applied_and_shown(zone):
    """Somebody fills in a field; the device tries it, stays well, keeps it, and the page says so."""
    until(zone.pages, 40, "the kiosk's pages")
    zone.wish(content__interval="300")
    until(lambda: zone.state() == (1, "applied"), 100, "the wish to be applied")
    assert interval(zone) == 300
    with urllib.request.urlopen(f"{zone.url}/?lang=en", timeout=10) as answer:
        page = answer.read().decode()
    assert re.search(r"Settings <span[^>]*>applied<", page)
    assert 'value="300"' in page


def test_a_kiosk_that_falls_ill_goes_back_by_itself(zone):
    """While the wish is tried the pages stop answering: the settings before hold again, and the page says why."""
    generation = (zone.state() or (0, ""))[0] + 1
    before = interval(zone)
    zone.be_patient(6)  # the pages are frozen for good: waiting longer would show no more
    zone.wish(content__interval="600")
    until(lambda: zone.state() == (generation, "trying"), 60, "the trial")
    stopped = zone.pages()
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: zone.state() == (generation, "rolled_back"), 150, "the way back")
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        zone.be_patient(40)
    assert zone.devices()[0]["desired"]["reason"] == "Not well again in time: kiosk."
    assert interval(zone) == before


def test_a_wish_out_of_bounds_never_leaves_the_page(zone):
    """The platform's own form is held to the contract, and so is a device that nobody knows."""
    before = zone.state()
    for values in ({"content__interval": "9"}, {"content__interval": "x"}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            zone.wish(**values)
    assert zone.state() == before
