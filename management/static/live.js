// SPDX-License-Identifier: EUPL-1.2
// Asks for figures and charts again every five seconds while the page is looked at; without it a reload does the same.
(function () {
  "use strict";
  const place = document.getElementById("live");
  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(place.dataset.from, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") window.location.reload();
      else if (answer.ok) place.innerHTML = await answer.text();
    } catch {
      // The device restarts, or the network is away: the next try is in five seconds.
    }
  }
  setInterval(refresh, 5000);
})();
