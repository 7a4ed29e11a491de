# SPDX-License-Identifier: EUPL-1.2
"""The story's second half: content changes, a service is asked for, a crowd comes and goes, the account is settled."""

import re
import time
from pathlib import Path
from typing import Any

from lab.demo.plan import WINDOW
from lab.demo.scenes import Opening
from lab.demo.story import Step, check, wait_for

_ENDED = "eu.parvis.session.ended.v1"
_NEWS = Path("news/velos.fr.md")
_BEFORE, _AFTER = "Six vélos", "Sept vélos"
_REFERENCE = re.compile(r"P-\d{4,}")
_SERVICE = "message"
_HTTP_OK = 200
_COMPANY = "exemple-ardoise"


class Rest(Opening):
    """What makes the later steps true."""

    def __init__(self, opening: Opening, crowd: int) -> None:
        """Go on where the opening ended, with a crowd of this many phones."""
        super().__init__(opening.site)
        self.crowd = crowd

    def steps(self) -> list[Step]:
        """Return the steps in order."""
        counted = "" if self.plan.enforced else "nobody counts guests without enforcement"
        return [
            Step("a file of the content folder changes: portal and kiosk show it", self.change),
            Step("a service requested from the phone, the platform's reply arrives", self.request),
            Step("a visitor is received at the kiosk, the host answers at the platform", self.receive),
            Step(f"a crowd of {self.crowd} phones comes online", self.come),
            Step("occupancy at the platform", self.occupancy, skip=counted),
            Step("the crowd goes: session.ended with bytes at the platform", self.go, skip=counted),
            Step("every event acknowledged: the account is settled", self.settled),
        ]

    def change(self) -> str:
        """Change a title in the folder, and a moment later on both devices."""
        file = self.site.content / _NEWS
        before = file.read_text(encoding="utf-8")
        check(_BEFORE in before, f"{_BEFORE!r} in {file}", before[:120])
        file.write_text(before.replace(_BEFORE, _AFTER), encoding="utf-8")
        took = []
        began = time.monotonic()
        for (host, port), name in ((self.plan.portal_target, "gateway"), (self.plan.kiosk_target, "kiosk")):
            self.shows(f"http://{host}:{port}/fr/news", _AFTER, name)
            took.append((time.monotonic() - began) * 1000)
        return f"portal after {took[0]:.0f} ms, kiosk after {took[1]:.0f} ms"

    def request(self) -> str:
        """Send the form from the phone; the reference given by the platform stands on its page."""
        logs = self.site.log("gateway", "platform")
        page = self.phone.ask("open", url=f"{self.plan.portal_url}/fr/services/{_SERVICE}")
        check(page["status"] == _HTTP_OK, "the service's page", page["status"], logs)
        sent = self.phone.ask("fill", comment="La fontaine du parvis ne coule plus.")
        check("/requests/" in sent["url"], "the request's own page", f"{sent['status']} {sent['url']}", logs)
        began = time.monotonic()

        def reference() -> re.Match[str] | None:
            text = self.phone.ask("open", url=sent["url"], picture="request.png")["text"]
            return _REFERENCE.search(text)

        found = wait_for(reference, "the platform's reference on the page", logs)
        return f"reference {found[0]} after {(time.monotonic() - began) * 1000:.0f} ms"

    def receive(self) -> str:
        """Write a name at the kiosk, answer as the host at the platform; the same page says so, the ticket is on it."""
        logs = self.site.log("kiosk", "gateway", "platform")
        host, port = self.plan.kiosk_target
        self.inside.ask("open", url=f"http://{host}:{port}/fr/visit/{_COMPANY}/{_COMPANY}-technique")
        seen = self.inside.ask("fill", name="Visiteuse Fictive", people="1", picture="visit.png")
        check("/received/" in seen["url"], "the page that follows the visit", f"{seen['status']} {seen['url']}", logs)
        code = re.search(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b", seen["text"])
        check(code, "the ticket's code on the page", seen["text"][:300], logs)
        wait_for(self.site.platform.visits, "the visit at the platform", logs)
        began = time.monotonic()
        self.inside.ask("open", url=f"http://{self.plan.platform_address}:{self.plan.platform_port}/?lang=fr")
        self.inside.ask("fill", to="/visits/", answer="coming")
        self.shows(seen["url"], "Quelqu’un arrive", "kiosk", "gateway")
        return f"ticket {code[0] if code else ''}, answer on its page after {(time.monotonic() - began) * 1000:.0f} ms"

    def come(self) -> str:
        """Every phone of the crowd gets its lease, accepts and is online."""
        if "crowd" not in self.site.peers:
            where = () if self.plan.enforced else (self.plan.portal_url,)
            self.site.start_peer("crowd", "guests", "lab.phone.crowd", *where)
        came = self.site.peers["crowd"].ask("come", guests=self.crowd)
        logs = self.site.log("gateway", "crowd")
        check(
            came["went_online"] == self.crowd,
            f"{self.crowd} phones online",
            f"{came['went_online']}: {came['last']}",
            logs,
        )
        steps = {"lease_ms": "lease", "accept_ms": "accept", "through_ms": "through"}
        medians = ", ".join(f"{name} {came[key]:.0f} ms" for key, name in steps.items() if key in came)
        return f"medians: {medians}"

    def occupancy(self) -> str:
        """See a window of counts that holds the crowd at the platform."""
        least = self.crowd - 5  # counts are rounded to 5

        def counted() -> int:
            return max((row["associated"] for row in self.site.platform.occupancy()), default=0)

        if self.crowd >= 10:
            wait_for(lambda: counted() >= least, f"at least {least} associated", self.site.log("gateway"))
        return f"{counted()} associated in a window of {WINDOW} s"

    def go(self) -> str:
        """Half log out, the others just walk away; the ends of those that logged out are told with their bytes."""
        before = len(self.site.platform.sessions(ended=True))
        gone = self.site.peers["crowd"].ask("go", guests=self.crowd)
        logs = self.site.log("gateway", "crowd", "platform")
        told = gone["logged_out"]
        check(told >= self.crowd // 2, f"{self.crowd // 2} phones log out", f"{told}: {gone['last']}", logs)

        def ended() -> Any:
            sessions = self.site.platform.sessions(ended=True)
            with_bytes = [one for one in sessions if one["up_bytes"] and one["down_bytes"]]
            return len(with_bytes) - before >= told and self.site.platform.acknowledged(_ENDED) >= told

        wait_for(ended, f"{told} acknowledged session.ended with bytes", logs)
        sessions = self.site.platform.sessions(ended=True)
        up, down = (sum(one[key] or 0 for one in sessions) / 1000 for key in ("up_bytes", "down_bytes"))
        return f"{len(sessions)} sessions, {up:.0f} kB up, {down:.0f} kB down"

    def settled(self) -> str:
        """Nothing waits, nothing was dropped, and the sum is right."""
        logs = self.site.log("gateway", "kiosk", "platform", "platform-broker")
        wait_for(lambda: self.site.totals().pending == 0, "no pending event", logs)
        totals = self.site.totals()
        check(totals.created and totals.balanced and not totals.dropped, "created = acked, none dropped", totals, logs)
        return f"created {totals.created}, acked {totals.acked}, pending {totals.pending}, dropped {totals.dropped}"
