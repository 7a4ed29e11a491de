# SPDX-License-Identifier: EUPL-1.2
"""Two gateways of one site with the whole product, one broker between them; guests can be carried over."""

import contextlib
import re
import sys

from captive_portal import seal
from edge_core import clock, coarse, control, gateway_key, gateways_heard
from edge_core.settings import load
from edge_core.store import database, grants, vouchers
from lab.ca import Authority

from .conftest import BODY, Zone, run, until

SITE = {"a": "198.51.100.1", "b": "198.51.100.2"}
KEY = "k3-a-key-that-the-gateways-of-this-site-share\n"
WEB = "http://192.0.2.1/"


class Gateway(Zone):
    """One gateway with its own guests and its own Internet."""

    def __init__(self, folder, name, authority, key=KEY):
        folder.mkdir(parents=True)
        self.label = name
        super().__init__(folder)
        (folder / "gateway.key").write_text(key)
        (folder / "gateway.key").chmod(0o600)
        self.broker_extra(authority)

    def broker_extra(self, authority):
        """The first runs the site's broker, by TLS for the others; the second connects there as itself."""
        if self.label == "a":
            certificate, private = authority.issue(SITE["a"])
            extra = (
                f'[broker]\nlan = "{SITE["a"]}:8883"\nlan_ca = "{authority.certificate_file}"\n'
                f'lan_certificate = "{certificate}"\nlan_key = "{private}"\n'
            )
        else:
            certificate, private = authority.issue("essai/passerelle-b")
            extra = (
                f'[mqtt]\nurl = "mqtts://{SITE["a"]}:8883"\nca = "{authority.certificate_file}"\n'
                f'certificate = "{certificate}"\nkey = "{private}"\n'
            )
        self.write_config(extra)
        text = self.config.read_text().replace('"passerelle"', f'"passerelle-{self.label}"')
        self.config.write_text(text.replace("[device]", f'gateway_key = "{self.folder}/gateway.key"\n[device]'))

        self.settings = load(self.config)

    @property
    def portal_at(self):
        """An address at which this gateway's portal answers, whoever has the guests' addresses."""
        return "127.0.0.1" if self.settings.ha.peer else self.V4

    def start_whole(self):
        self.start_internet()
        self.start_product()
        return self

    def start_product(self):
        self.launch()
        self.wait()

    def launch(self):
        words = (sys.executable, "-m", "edge_core.cli", "run", "gateway", "--config", str(self.config))
        self.spawn("run", self.gateway, *words)

    def wait(self):
        """Wait until the product answers."""
        until(self.status, 120, "the agent")
        until(lambda: self._probe() not in ("", "000"), 120, "the portal")

    def _probe(self):
        words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*")
        words += (f"http://{self.portal_at}:8080/x",)
        return run("ip", "netns", "exec", self.gateway, *words, check=False).stdout

    def status(self):
        return control.ask(self.settings.agent_socket, {"op": "status"})

    def session_of(self, guest):
        """Return the session of a guest that is open here, or None."""
        with contextlib.closing(self.store()) as store:
            return grants.by_mac(store, guest.mac, clock.now())

    def ends(self, session):
        """Return (reason, bytes down) of the end that was told of a session; nothing until then."""
        return self.rows(
            "SELECT json_extract(body, '$.data.reason'), json_extract(body, '$.data.down_bytes') FROM outbox"
            " WHERE type = 'eu.parvis.session.ended.v1' AND json_extract(body, '$.data.session') = ?",
            coarse.identifier(session),
        )

    def code(self, **terms):
        """Make a code here as `parvis vouchers make` does, good all over the site."""
        key = seal.of(self.settings).derive("vouchers")
        terms = {"seconds": 600, "limits": grants.Limits(), "devices": 1, **terms}
        with contextlib.closing(self.store()) as store:
            (made,) = vouchers.make(
                store, key, batch="b", plan="voucher", count=1, valid_until=clock.now() + 600, now=clock.now(),
                site=True, **terms,
            )  # fmt: skip
        return made

    def command(self, *words, check=True):
        return run(
            *("ip", "netns", "exec", self.gateway, sys.executable, "-m", "edge_core.cli"),
            *words,
            *("--config", str(self.config)),
            check=check,
        )


class Pair:
    """Both gateways, joined by the site's own network."""

    def __init__(self, folder):
        folder.chmod(0o755)
        authority = Authority(folder / "ca")
        self.a = Gateway(folder / "a", "a", authority)
        self.b = Gateway(folder / "b", "b", authority)
        run("ip", "-n", self.a.gateway, "link", "add", "site0", "type", "veth", "peer", "name", "site0",
            "netns", self.b.gateway)  # fmt: skip
        for each, address in ((self.a, SITE["a"]), (self.b, SITE["b"])):
            run("ip", "-n", each.gateway, "link", "set", "site0", "up")
            run("ip", "-n", each.gateway, "address", "add", f"{address}/24", "dev", "site0")

    def start(self):
        database.migrate(self.a.settings)
        self.a.start_whole()
        self.b.start_whole()
        until(lambda: self.hears(self.a) and self.hears(self.b), 120, "that the gateways hear each other")
        return self

    def hears(self, gateway):
        return any(not each.other_key for each in gateways_heard.read(gateway.settings).values())

    def cut(self):
        """Cut the site's network between the two."""
        run("ip", "-n", self.b.gateway, "link", "set", "site0", "down")

    def mend(self):
        run("ip", "-n", self.b.gateway, "link", "set", "site0", "up")

    def tear_down(self):
        for each in (self.b, self.a):
            each.tear_down()


def carry(guest, target, new_mac=""):
    """Carry a guest to another gateway's guests: it loses its link, its address, and takes a new lease there.

    With `new_mac` it comes as phones do that draw another MAC for each network.
    """
    port = f"c{int(guest.mac[-2:], 16)}"
    run("ip", "-n", guest.zone.guests, "link", "set", port, "down", "nomaster")
    run("ip", "-n", guest.zone.guests, "link", "set", port, "netns", target.guests)
    guest.ip("address", "flush", "dev", "eth0")
    guest.ip("link", "set", "eth0", "down")
    if new_mac:
        guest.mac = new_mac
        guest.ip("link", "set", "eth0", "address", new_mac)
    run("ip", "-n", target.guests, "link", "set", port, "master", "br0", "up")
    guest.ip("link", "set", "eth0", "up")
    guest.zone = target
    return guest.join()


def online(guest):
    """Tell whether the whole of the Internet's page comes."""
    status, _, size = guest.get(WEB)
    return status == 200 and size == len(BODY)


class Phone:
    """A guest's browser: curl, asking the portal by its name."""

    def __init__(self, guest):
        self.guest = guest

    def curl(self, *words):
        name = ("--resolve", f"portail.example.net:80:{Zone.V4}")
        return self.guest.run("curl", "-si", "--max-time", "8", "--noproxy", "*", *name, *words, check=False).stdout

    def post(self, path, form, **fields):
        """Send the form of the page `form` to `path`; return the first line of the answer."""
        page = until(
            lambda: re.search(r'name="token" value="([\w-]+)"', self.curl(f"http://portail.example.net{form}"))
        )
        fields["token"] = page.group(1)
        data = [word for name, value in fields.items() for word in ("-d", f"{name}={value}")]
        return self.curl(*data, f"http://portail.example.net{path}").splitlines()[0]


def hashed(guest):
    """Return what stands for a guest's device between the gateways."""
    return gateway_key.GatewayKey(KEY.strip().encode()).device(guest.mac)
