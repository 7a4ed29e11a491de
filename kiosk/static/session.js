// SPDX-License-Identifier: EUPL-1.2
// Keeps a page alive and short-lived: heartbeat, clock, idle question, way back to the first screen, no way out.
"use strict";

(() => {
  const body = document.body;
  const given = body.dataset;
  const seconds = (name) => Number(given[name] || 0);
  const HEARTBEAT = 5000;

  // --- Nothing leads out of the page: no menu, no dragging, no pinch.
  for (const name of ["contextmenu", "dragstart", "gesturestart"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  document.addEventListener("wheel", (event) => event.ctrlKey && event.preventDefault(), { passive: false });
  document.addEventListener("touchmove", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });

  // --- A keyboard, should one get through: letters and ways inside the page only, no shortcut of the browser's.
  document.addEventListener("keydown", (event) => {
    const shortcut = event.ctrlKey || event.altKey && !event.getModifierState("AltGraph") || event.metaKey;
    if (shortcut || /^(F[0-9]+|Browser.*|Launch.*|ContextMenu|Help|Print.*)$/.test(event.key)) event.preventDefault();
  }, { capture: true });

  // --- An answer may be late, but never a white page: go only where somebody answers.
  async function go(address) {
    for (;;) {
      try {
        const answer = await fetch("/health", { cache: "no-store" });
        if (answer.ok) break;
      } catch (error) { /* the service is being started again */ }
      document.getElementById("away").hidden = false;
      await new Promise((done) => setTimeout(done, 1000));
    }
    window.location.replace(address);
  }

  // --- A page that was kept for "back" shows what somebody else was doing: begin again.
  window.addEventListener("pageshow", (event) => event.persisted && go(given.first));

  // --- Heartbeat: the device knows that this page lives; the page learns the time and whether content changed.
  async function beat() {
    try {
      const answer = await (await fetch(given.heartbeat, { method: "POST", cache: "no-store" })).json();
      for (const clock of document.querySelectorAll("[data-clock]")) clock.textContent = answer.time;
      if ("follow" in given && String(answer.content ?? "") !== given.version) go(window.location.href);
    } catch (error) { /* the next beat tells */ }
  }
  setInterval(beat, HEARTBEAT);
  requestAnimationFrame(() => setTimeout(beat)); // a page is shown first, and asks then
  if (seconds("refresh")) setTimeout(() => go(window.location.href), seconds("refresh") * 1000);

  // --- A page that follows something (a request) is read again in place; who goes through it by keys stays where they are.
  if (seconds("renew")) setInterval(async () => {
    if (document.querySelector("dialog[open]")) return;
    try {
      const answer = await fetch(window.location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      const main = document.getElementById("main");
      if (!fresh || fresh.textContent === main.textContent) return;
      const links = () => [...main.querySelectorAll("a[href], button")].reverse(); // the last ones are on every state of it
      const held = links().indexOf(document.activeElement);
      main.replaceChildren(...fresh.childNodes);
      if (held >= 0) (links()[held] || links()[0]).focus({ preventScroll: true });
    } catch (error) { /* the next turn tells */ }
  }, seconds("renew") * 1000);

  // --- A second tap sends nothing twice.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    else if (event.target.method === "post") event.target.dataset.sent = "yes";
  });

  // --- Links of the bar replace the page, so that "back" can't bring up what is over.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-keep], a[data-leave-now]");
    if (!link) return;
    event.preventDefault();
    if ("leaveNow" in link.dataset) body.classList.add("over"); // what was there is nobody else's to read, however long it takes
    go(link.href);
  });

  // --- Idle: a question first, then the first screen.
  let dialog = document.getElementById("idle");
  if (!seconds("idle") || !dialog) return;
  let last = performance.now();
  let asked = 0;
  function touched() {
    last = performance.now();
  }
  function stay() {
    asked = 0;
    touched();
    if (dialog.open) dialog.close();
  }
  for (const name of ["pointerdown", "keydown", "scroll", "input"]) {
    document.addEventListener(name, touched, { passive: true, capture: true });
  }
  function listen() {
    dialog = document.getElementById("idle");
    dialog.querySelector("[data-stay]").addEventListener("click", stay);
    dialog.addEventListener("cancel", stay);
    dialog.addEventListener("click", (event) => event.target === dialog && stay());
  }
  listen();
  document.addEventListener("parvis:page", listen);
  setInterval(() => {
    const now = performance.now();
    if (!dialog.open) {
      if (now - last < seconds("idle") * 1000) return;
      asked = now;
      dialog.showModal();
    }
    const left = Math.ceil(seconds("warning") - (now - asked) / 1000);
    dialog.querySelector("[data-count]").textContent = String(Math.max(0, left));
    if (left <= 0 && asked !== Infinity) {
      asked = Infinity;
      body.classList.add("over");
      go(given.leave);
    }
  }, 200);
})();
