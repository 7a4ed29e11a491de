# SPDX-License-Identifier: EUPL-1.2
"""The story's first half: the zone comes up, one phone joins, reads, accepts and is online."""

import json
import time

from edge_core import broker
from lab.demo.plan import WEB_NAME
from lab.demo.site import Site
from lab.demo.story import Step, check, wait_for
from lab.net import web
from lab.phone import real_dhcp
from lab.talk import Answer, Peer, RefusedError

PROBE = "http://detectportal.firefox.com/canonical.html"
_STARTED = "eu.parvis.session.started.v1"
_NOT_ENFORCED = "nobody judges packets without enforcement"
_NO_RADIO = "there is no guests' network without enforcement"
_LOCAL_PAGES = ("companies", "events", "news", "services", "transport", "plan")


class Opening:
    """What makes each of these steps true. `site` is the zone, `phone` the one real phone."""

    def __init__(self, site: Site) -> None:
        """Take the zone; nothing starts yet."""
        self.site = site
        self.plan = site.plan
        self.api_url = ""  # as DHCP told it (RFC 8910)

    @property
    def phone(self) -> Peer:
        """The person with the phone."""
        return self.site.peers["phone"]

    @property
    def inside(self) -> Peer:
        """Somebody standing in front of the kiosk: asks from within the gateway's namespace."""
        return self.site.peers["visitor"]

    def steps(self) -> list[Step]:
        """Return the steps in order."""
        radio = "" if self.plan.enforced else _NO_RADIO
        judged = "" if self.plan.enforced else _NOT_ENFORCED
        return [
            Step("an internet with DNS and web servers", self.internet, essential=True, skip=radio),
            Step("the platform and its broker", self.platform, essential=True),
            Step("publisher's keys; content signed into a repository", self.publish),
            Step("parvis run gateway", self.gateway, essential=True),
            Step("parvis run kiosk", self.kiosk),
            Step("content fetched, verified, applied; kiosk and portal show it", self.content),
            Step("both devices are known to the platform", self.births),
            Step("the phone is switched on", self.switch_on, essential=True),
            Step("phone gets a lease", self.lease, essential=self.plan.enforced, skip=radio),
            Step("its probe is redirected to the portal", self.probe, skip=judged),
            Step("the portal's API says captive (RFC 8908, HTTPS)", self.api, skip=judged),
            Step("welcome page read", self.welcome, essential=True),
            Step("local pages read", self.local_pages),
            Step("HTTPS before accepting is refused at once", self.refused, skip=judged),
            Step("accepts" + (": first packet through" if self.plan.enforced else ""), self.accept, essential=True),
            Step("probe says success", self.success, skip=judged),
            Step("HTTPS page of the internet read", self.far_page, skip=judged),
            Step("session.started at the platform, acknowledged", self.started),
        ]

    def internet(self) -> str:
        """See that the servers answer from the gateway's side."""
        self.site.start_internet()
        logs = self.site.log("dns", "web")
        visitor = self.site.start_peer("visitor", "gateway", "lab.phone", str(self.plan.state / "visitor"))

        def answers() -> bool:
            try:
                page: Answer = visitor.ask("fetch", url=f"http://{WEB_NAME}/")
            except RefusedError:
                return False
            return bool(page["status"] == 200)

        wait_for(answers, f"http://{WEB_NAME}/ answers 200", logs)
        return "every name resolves, every probe would succeed"

    def platform(self) -> str:
        """See that the platform's page answers."""
        if "visitor" not in self.site.peers:
            self.site.start_peer("visitor", "gateway", "lab.phone", str(self.plan.state / "visitor"))
        self.site.start_platform()
        port = self.plan.platform_port
        self._answers(f"http://{self.plan.platform_address}:{port}/", "platform", "platform-broker")
        self.site.start_relay("platform")
        return "Mosquitto" if broker.kind() == "mosquitto" else "amqtt, since Mosquitto is not installed"

    def _answers(self, url: str, *logs: str) -> None:
        paths = self.site.log(*logs)

        def answered() -> bool:
            ended = [one for one in self.site.processes.ended() if one.partition(" ")[0] in logs]
            check(not ended, f"{url} answers", f"{', '.join(ended)} ended: {self.site.last_words(logs[0])}", paths)
            try:
                return int(self.inside.ask("fetch", url=url, patience=2)["status"]) < 400
            except RefusedError:
                return False

        wait_for(answered, f"{url} answers", paths)

    def publish(self) -> str:
        """See that the repository is signed and that the publisher watches the folder."""
        self.site.make_keys()
        self.site.publish()
        size = sum(1 for path in (self.plan.state / "repository").rglob("*") if path.is_file())
        return f"{size} files from content/demo"

    def gateway(self) -> str:
        """See that the portal answers in the gateway."""
        self.site.configure()
        self.site.start_role("gateway")
        host, port = self.plan.portal_target
        self._answers(f"http://{host}:{port}/", "gateway")
        self.site.start_relay("portal")
        return "broker, portal, sync" + (", dnsmasq, nftables, agent" if self.plan.enforced else "; no enforcement")

    def kiosk(self) -> str:
        """See that the kiosk answers."""
        self.site.start_role("kiosk")
        host, port = self.plan.kiosk_target
        self._answers(f"http://{host}:{port}/", "kiosk")
        self.site.start_relay("kiosk")
        return ""

    def content(self) -> str:
        """See the published news on both devices."""
        host, port = self.plan.kiosk_target
        portal_host, portal_port = self.plan.portal_target
        for url, log in (
            (f"http://{portal_host}:{portal_port}/fr/news", "gateway"),
            (f"http://{host}:{port}/fr/news", "kiosk"),
        ):
            self.shows(url, "vélos", log)
        picture = self.inside.ask("open", url=f"http://{host}:{port}/", picture="kiosk.png")["picture"]
        return f"picture {picture}" if picture else ""

    def shows(self, url: str, text: str, *logs: str) -> float:
        """Wait until a page says something; the milliseconds that it took."""
        began = time.monotonic()

        def said() -> bool:
            try:
                return text in self.inside.ask("fetch", url=url)["text"]
            except RefusedError:
                return False

        wait_for(said, f"{url} says {text!r}", self.site.log(*logs, "publish", "platform"))
        return (time.monotonic() - began) * 1000

    def births(self) -> str:
        """See both online at the platform."""
        logs = self.site.log("gateway", "kiosk", "platform")
        wait_for(lambda: len(self.site.platform.devices()) == 2, "gateway and kiosk online at the platform", logs)
        return ", ".join(sorted(self.site.platform.devices()))

    def switch_on(self) -> str:
        """Start the phone and its browser, before anything else is timed."""
        words = [str(self.plan.state / "phone")]
        if self.plan.enforced:
            words.append(str(self.plan.state / "ca" / "ca.pem"))
        self.site.start_peer("phone", "guests", "lab.phone", *words)
        client = f", DHCP by {real_dhcp.available()}" if self.plan.enforced else ""
        return f"{self.phone.ask('warm')['browser']}{client}"

    def lease(self) -> str:
        """See a real DHCP client get an address of the range, and the portal's address (RFC 8910)."""
        given = self.phone.ask("join")
        logs = self.site.log("gateway", "phone")
        check(given["address"].startswith("10.77."), "an address of the guests' network", given["address"], logs)
        self.api_url = given["portal"]
        return f"{given['address']} by {given['client']}, portal {given['portal'] or 'not told'}"

    def probe(self) -> str:
        """See each system's probe get a 302 to the portal."""
        logs = self.site.log("gateway")
        places = set()
        for host, path in web.PROBES:
            page = self.phone.ask("fetch", url=f"http://{host}{path}")
            check(page["status"] == 302, f"302 for http://{host}{path}", page["status"], logs)
            places.add(page["location"].split("?")[0])
        check(
            all(place.startswith(self.plan.portal_url) for place in places), f"to {self.plan.portal_url}", places, logs
        )
        return f"{len(web.PROBES)} probes, 302 to {', '.join(sorted(places))}"

    def api(self) -> str:
        """See the address that came with the lease answer, over HTTPS with a certificate for its name."""
        check(self.api_url, "the API's address in the lease (option 114)", "none", self.site.log("gateway"))
        page = self.phone.ask("fetch", url=self.api_url)
        said = json.loads(page["text"])
        check(said.get("captive") is True, '"captive": true', page["text"][:200], self.site.log("gateway"))
        return f"user-portal-url {said.get('user-portal-url', '')}"

    def welcome(self) -> str:
        """See the browser show the welcome page when it asks for its probe."""
        seen = self.phone.ask(
            "open", url=PROBE if self.plan.enforced else f"{self.plan.portal_url}/", picture="welcome.png"
        )
        logs = self.site.log("gateway", "phone")
        check(seen["status"] == 200, "the welcome page with status 200", seen["status"], logs)
        check("Parc Exemple" in seen["text"] + seen["title"], "the park's name on it", seen["text"][:200], logs)
        return f"{seen['title']}" + (", welcome.png" if seen["picture"] else "")

    def local_pages(self) -> str:
        """See all local pages answer to somebody who has accepted nothing."""
        logs = self.site.log("gateway")
        for name in _LOCAL_PAGES:
            page = self.phone.ask("fetch", url=f"{self.plan.portal_url}/fr/{name}")
            check(page["status"] == 200, f"/fr/{name} answers 200", page["status"], logs)
        return ", ".join(_LOCAL_PAGES)

    def refused(self) -> str:
        """See TCP to port 443 reset, not left to time out."""
        tried = self.phone.ask("connect", host=WEB_NAME, port=443)
        check(tried["result"] == "refused", "a refused connection", tried["result"], self.site.log("gateway"))
        return f"reset after {tried['ms']:.1f} ms"

    def accept(self) -> str:
        """Press the button in the browser; the first connection opens."""
        where = PROBE if self.plan.enforced else f"{self.plan.portal_url}/"
        self.phone.ask("open", url=where)
        host = WEB_NAME if self.plan.enforced else ""
        done = self.phone.ask("accept", host=host, picture="accepted.png")
        logs = self.site.log("gateway", "phone")
        check(done["status"] in (200, 0), "a page after the button", f"{done['status']} {done['url']}", logs)
        if not self.plan.enforced:
            return f"{done['title']} after {done['page_ms']:.0f} ms"
        first = done["first_packet_ms"]
        check(first, "a first connection through within 10 s", "none", logs)
        return f"click → first packet {first:.0f} ms, page after {done['page_ms']:.0f} ms"

    def success(self) -> str:
        """See that every probe gets what its owner's server says."""
        logs = self.site.log("gateway")
        for (host, path), (status, _, body) in web.PROBES.items():
            page = self.phone.ask("fetch", url=f"http://{host}{path}")
            seen = page["status"], page["text"].encode()
            check(seen == (status, body), f"{status} from http://{host}{path}", seen, logs)
        return f"{len(web.PROBES)} probes"

    def far_page(self) -> str:
        """Read a page over HTTPS, its certificate verified."""
        page = self.phone.ask("fetch", url=f"https://{WEB_NAME}/")
        check("Une page lointaine" in page["text"], "the far page", page["text"][:100], self.site.log("gateway", "web"))
        return f"https://{WEB_NAME}/"

    def started(self) -> str:
        """See the session's event committed and acknowledged there, and its row gone from the outbox here."""
        logs = self.site.log("gateway", "platform", "platform-broker")
        wait_for(lambda: self.site.platform.acknowledged(_STARTED), "an acknowledged session.started", logs)
        return f"session {self.site.platform.sessions()[-1]['session'][:8]}…"
