// SPDX-License-Identifier: EUPL-1.2
// Goes through the page by four keys, for whoever can't touch it: arrows move, Enter chooses, Escape goes back.
"use strict";

(() => {
  const REACHABLE = "a[href], button, input:not([type=hidden]), textarea, select";
  const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

  function reachable() {
    const open = document.querySelector("dialog[open]");
    const found = (open || document).querySelectorAll(REACHABLE);
    return [...found].filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility());
  }

  function move(step) {
    const all = reachable();
    const now = all.indexOf(document.activeElement);
    const first = step > 0 ? 0 : all.length - 1;
    const next = now < 0 ? all[first] : all[(now + step + all.length) % all.length];
    if (next) next.focus();
  }

  // --- Headphones plugged in start speech, pulled out they end it (EN 301 549, 5.1.3.2).
  let worn;
  document.addEventListener("parvis:devices", (event) => {
    const its = event.detail.headphones;
    const now = Boolean(its) && its.state === "ready";
    const speaks = document.documentElement.classList.contains("speech");
    const turns = now ? !speaks : worn === true && speaks;
    worn = now;
    if (turns && document.body.dataset.hear) window.location.replace(document.body.dataset.hear);
  });

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const step = STEPS[event.key];
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
    if (event.altKey || event.ctrlKey || event.metaKey || target.matches("select, input[type=radio]")) return;
    if (step && !(sideways && target.matches("input, textarea"))) {
      event.preventDefault();
      move(step);
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      const back = document.querySelector(".back a");
      if (back) back.click();
    }
  });
})();
