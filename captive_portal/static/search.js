// SPDX-License-Identifier: EUPL-1.2
// Answers at each letter; the form goes on working where this doesn't run.
(() => {
  "use strict";
  const form = document.querySelector("form[data-answers]");
  const input = form.querySelector("input[type=search]");
  const place = document.getElementById("answers");
  const known = new Map();
  let waiting = null;
  let soon = 0;

  async function ask() {
    const asked = input.value.trim();
    if (waiting) waiting.abort();
    history.replaceState(null, "", asked ? `?${new URLSearchParams({ q: asked })}` : location.pathname);
    if (known.has(asked)) {
      place.innerHTML = known.get(asked);
      return;
    }
    waiting = new AbortController();
    try {
      const query = new URLSearchParams({ q: asked });
      const answer = await fetch(`${form.dataset.answers}?${query}`, { signal: waiting.signal });
      if (!answer.ok) return;
      known.set(asked, await answer.text());
      if (input.value.trim() === asked) place.innerHTML = known.get(asked);
    } catch { /* a newer letter came, or the network is away: the next letter asks again */ }
  }

  input.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(ask, 120);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(soon);
    ask();
    input.blur();
  });
})();
