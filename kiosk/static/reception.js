// SPDX-License-Identifier: EUPL-1.2
// Reads the desk again every three seconds; what somebody is writing in stays as it is.
"use strict";

(() => {
  let calling = document.querySelectorAll("#calling .guest").length;
  async function refresh() {
    try {
      const answer = await fetch(window.location.href, { cache: "no-store" });
      if (answer.redirected) return window.location.replace(answer.url); // the session is over
      if (!answer.ok) return undefined;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const next of fresh.querySelectorAll("[data-live]")) {
        const here = document.getElementById(next.id);
        if (here && !here.contains(document.activeElement) && here.innerHTML !== next.innerHTML) here.replaceChildren(...next.childNodes);
      }
      document.title = fresh.title;
      const now = document.querySelectorAll("#calling .guest").length;
      document.body.classList.toggle("called", now > calling);
      calling = now;
    } catch (error) { /* the service is away: the next turn tells */ }
    return undefined;
  }
  setInterval(refresh, 3000);
  for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
})();
