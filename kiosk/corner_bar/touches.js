// SPDX-License-Identifier: EUPL-1.2
// Says that somebody is there, from each frame; and lets no page hold the visit's end up by a question.
"use strict";

(() => {
  let told = 0;
  const touched = () => {
    if (Date.now() - told < 1000) return;
    told = Date.now();
    chrome.runtime.sendMessage({ what: "look", touched: true }).catch(() => {});
  };
  for (const name of ["pointerdown", "keydown", "scroll", "input"]) {
    window.addEventListener(name, touched, { passive: true, capture: true });
  }
  window.addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), { capture: true });
  window.addEventListener("contextmenu", (event) => event.preventDefault(), { capture: true });
})();
