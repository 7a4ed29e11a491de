// SPDX-License-Identifier: EUPL-1.2
// Follows what is plugged in and what is scanned; tells the page by classes of its root and the event "parvis:devices".
"use strict";

(() => {
  const given = document.body.dataset;
  const root = document.documentElement;
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  let life = "";
  let after = -1;
  let hiding;
  let told = ""; // what a device has said of itself
  let reload; // the number of the last order to load again

  function say(text) {
    const said = document.getElementById("said");
    said.querySelector("p").textContent = text;
    said.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => { said.hidden = true; }, 8000);
  }

  // A class such as "device-headphones-ready" or "device-printer-paper" lets styles and scripts see what is there.
  function show(devices) {
    for (const name of [...root.classList]) if (name.startsWith("device-")) root.classList.remove(name);
    for (const [role, its] of Object.entries(devices)) root.classList.add(`device-${role}-${its.state}`);
    document.dispatchEvent(new CustomEvent("parvis:devices", { detail: devices }));
    const news = devices.stick && devices.stick.said || "";
    if (news && news !== told) say(news);
    told = news;
    const asked = devices.screen ? devices.screen.reload : undefined;
    if (reload !== undefined && asked !== undefined && asked !== reload) window.location.reload();
    reload = asked === undefined ? reload : asked;
  }

  async function scanned(number) {
    document.dispatchEvent(new Event("input")); // somebody is here
    const answer = await (await fetch(`${given.scan}${number}`, { method: "POST", cache: "no-store" })).json();
    if (answer.href) window.location.replace(answer.href);
    else say(answer.said);
  }

  async function follow() {
    const first = life === "";
    const asked = `${given.devices}?life=${life}&after=${after}`;
    const answer = await (await fetch(asked, { cache: "no-store" })).json();
    if (answer.away) return pause(5000);
    const changed = answer.life !== life || answer.n !== after;
    life = answer.life;
    after = answer.n;
    if (changed) show(answer.devices);
    for (const key of answer.keys || []) document.dispatchEvent(new CustomEvent("parvis:key", { detail: key }));
    if (answer.scan !== null && answer.scan !== undefined) await scanned(answer.scan);
    return first || changed ? undefined : pause(250);
  }

  async function begin() {
    // While the pages are started again, the browser shows what it kept instead of an error.
    if ("serviceWorker" in navigator && given.shelter) navigator.serviceWorker.register(given.shelter, { updateViaCache: "none" }).catch(() => {});
    for (;;) {
      try {
        await follow();
      } catch (error) {
        await pause(2000);
      }
    }
  }
  requestAnimationFrame(() => setTimeout(begin)); // a page is shown first, and asks then

  // --- Outside its hours the screen is dark; a touch lights it for two minutes, and does nothing else.
  let waking = false;
  document.addEventListener("pointerdown", () => {
    waking = root.classList.contains("device-screen-dark") && !root.classList.contains("awake");
    if (!waking) return;
    root.classList.add("awake");
    setTimeout(() => root.classList.remove("awake"), 120000);
  }, { capture: true });
  document.addEventListener("click", (event) => {
    if (!waking) return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
})();
