// SPDX-License-Identifier: EUPL-1.2
// Answers at each letter; the form goes on working where this doesn't run.
"use strict";

(() => {
  const form = document.querySelector("form[data-answers]");
  const input = form.querySelector("input");
  const place = document.getElementById("answers");
  const all = document.getElementById("all");
  const known = new Map();
  let last = input.value.trim();
  let waiting = null;
  let shown = "";

  // The same answers again stay as they are: a finger may be on one just now.
  function show(html, asked) {
    if (html !== shown) place.innerHTML = html;
    shown = html;
    if (all) all.hidden = asked !== "";
  }

  async function ask() {
    const asked = input.value.trim();
    if (asked === last) return;
    last = asked;
    if (waiting) waiting.abort();
    if (asked === "" || known.has(asked)) return show(known.get(asked) || "", asked);
    waiting = new AbortController();
    try {
      const address = `${form.dataset.answers}?${new URLSearchParams({ q: asked })}`;
      const answer = await fetch(address, { signal: waiting.signal, cache: "no-store" });
      if (!answer.ok) return;
      const html = await answer.text();
      known.set(asked, html);
      if (asked === last) show(html, asked);
    } catch (error) { /* a newer letter came, or the service is away: the next letter asks again */ }
  }

  input.addEventListener("input", ask);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
    input.blur();
  });
})();
