// SPDX-License-Identifier: EUPL-1.2
// Says the page when it opens, whatever is in focus, and what changes by itself. A key's answer interrupts what is said; a
// change waits for its end. Every text of the page is a stop for the arrow keys, so that nothing is for eyes only.
"use strict";

(() => {
  const TEXTS = "h2, h3, p, li, dt, dd, figcaption, blockquote";
  const ACTIVE = "a[href], button, input, textarea, select";
  const given = document.body.dataset;
  const main = document.getElementById("main");
  const player = new Audio();
  let asking = new AbortController();
  let busy = false;
  let waiting = "";
  let held;

  async function say(words, lang = "") {
    const text = words.replace(/([.!?…:]), /g, "$1 "); // a sentence that ends needs no comma
    asking.abort();
    player.pause();
    asking = new AbortController();
    const { signal } = asking;
    busy = true;
    try {
      const answer = await fetch(given.speech, { method: "POST", body: new URLSearchParams({ text, lang }), signal });
      if (!answer.ok) return done();
      const sound = await answer.blob();
      if (signal.aborted) return;
      if (held) URL.revokeObjectURL(held);
      held = URL.createObjectURL(sound);
      player.src = held;
      await player.play();
      given.said = text;
    } catch (error) { // interrupted, or this device can't speak: the page goes on without
      if (!signal.aborted) done();
    }
  }

  function done() {
    busy = false;
    const text = waiting;
    waiting = "";
    if (text) say(text);
  }
  player.addEventListener("ended", done);

  function announce(text) {
    if (busy) waiting = text;
    else say(text);
  }

  // What is somebody's own is for their ears: without headphones a loudspeaker would tell it to the hall.
  const alone = () => document.documentElement.classList.contains("device-headphones-ready");

  function written(element) {
    let text = element.innerText || "";
    for (const drawn of element.querySelectorAll("[aria-hidden=true]")) if (drawn.innerText) text = text.replace(drawn.innerText, "");
    return text.trim().replace(/\s*\n\s*/g, ", ");
  }

  function sentences(texts) {
    return texts.filter(Boolean).map((text) => (/[.!?…:]$/.test(text) ? text : `${text}.`)).join(" ");
  }

  function value(field) {
    if (field.type === "password") return "";
    const open = field.type === "search" || "most" in field.dataset;
    return open || alone() || !field.value ? field.value : `${field.value.length} ${given.signs}`;
  }

  // --- What an element is called, and what it is. A password is never said.
  function named(element) {
    if (element.closest("[data-private]") && !alone()) return "";
    const label = element.labels && element.labels.length ? written(element.labels[0]) : "";
    const name = element.getAttribute("aria-label") || label || written(element) || element.value || "";
    const wrong = document.getElementById(element.getAttribute("aria-describedby"));
    const state = [];
    if (element.matches("input:not([type=radio]):not([type=checkbox]), textarea")) state.push(given.field, value(element));
    if (element.checked || element.getAttribute("aria-current") === "true") state.push(given.chosen);
    if (wrong) state.push(written(wrong));
    return [name, ...state].filter(Boolean).join(", ");
  }

  document.addEventListener("focusin", (event) => {
    const dialog = event.target.closest("dialog");
    const entered = dialog && !dialog.contains(event.relatedTarget);
    const asked = entered ? ["aria-labelledby", "aria-describedby"].map((name) => written(document.getElementById(dialog.getAttribute(name)))) : [];
    const text = sentences([...asked, named(event.target)]);
    const own = event.target.querySelector("[lang]") || event.target.closest("[lang]");
    if (text) say(text, own.lang);
  });
  document.addEventListener("input", (event) => event.target.matches && event.target.matches("input, textarea") && say(value(event.target) || "…"));

  // --- The texts that lie between links and fields are stops too.
  function open() {
    for (const one of main.querySelectorAll(TEXTS)) {
      if (one.dataset.read === undefined && !one.querySelector(`${TEXTS}, ${ACTIVE}`) && !one.closest(ACTIVE) && written(one)) {
        one.dataset.read = "";
        one.tabIndex = 0;
      }
    }
  }

  const told = () => sentences([...main.querySelectorAll("[role=status]")].map(written));
  let before = told();
  new MutationObserver(() => {
    open();
    const now = told();
    if (now && now !== before) announce(now);
    before = now;
  }).observe(main, { childList: true, subtree: true, characterData: true });
  const said = document.getElementById("said");
  new MutationObserver(() => written(said) && announce(written(said))).observe(said, { childList: true, subtree: true, attributes: true });

  open();
  const first = [...main.querySelectorAll("h1, .lead, [role=status], [role=alert], [data-spoken]")];
  const opening = first.filter((one) => !one.matches("[data-private]") && !first.some((other) => other !== one && other.contains(one)));
  say(sentences([...opening.map(written), given.keys]));
})();
