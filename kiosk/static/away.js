// SPDX-License-Identifier: EUPL-1.2
// Goes back to the first screen as soon as the pages are there again.
"use strict";

setInterval(async () => {
  try {
    if ((await fetch("/health", { cache: "no-store" })).ok) window.location.replace("/");
  } catch (error) { /* not yet */ }
}, 1000);
for (const name of ["contextmenu", "dragstart", "gesturestart"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}
