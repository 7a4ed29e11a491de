// SPDX-License-Identifier: EUPL-1.2
// Says the page when it opens, then whatever is in focus; what comes next interrupts what is said.
"use strict";

(() => {
  const address = document.body.dataset.speech;
  const player = new Audio();
  let asking;
  let held;

  async function say(text) {
    if (asking) asking.abort();
    player.pause();
    asking = new AbortController();
    try {
      const answer = await fetch(address, { method: "POST", body: new URLSearchParams({ text }), signal: asking.signal });
      if (!answer.ok) return;
      if (held) URL.revokeObjectURL(held);
      held = URL.createObjectURL(await answer.blob());
      player.src = held;
      await player.play();
      document.body.dataset.said = text;
    } catch (error) { /* interrupted, or this device can't speak: the page goes on without */ }
  }

  // --- What an element is called, and what it is. A password is never said, a written text is.
  function words(element) {
    const label = element.labels && element.labels.length ? element.labels[0].innerText : "";
    const name = element.getAttribute("aria-label") || label || element.innerText || element.value || "";
    const state = [];
    if (element.matches("input:not([type=radio]):not([type=checkbox]), textarea")) state.push(document.body.dataset.field, element.type === "password" ? "" : element.value);
    if (element.checked || element.getAttribute("aria-current") === "true") state.push(document.body.dataset.chosen);
    return [name, ...state].filter(Boolean).join(", ");
  }

  document.addEventListener("focusin", (event) => {
    const text = words(event.target);
    if (text) say(text);
  });
  document.addEventListener("input", (event) => event.target.value !== undefined && say(event.target.value || "…"));

  const opening = [...document.querySelectorAll("h1, main .lead, main [role=status], main [role=alert], main [data-spoken]")];
  say([...opening.map((one) => one.innerText), document.body.dataset.keys].join(". "));
})();
