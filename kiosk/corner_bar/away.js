// SPDX-License-Identifier: EUPL-1.2
// What a visitor reads in place of a site that isn't on the list, or doesn't answer.
"use strict";

(() => {
  const { words } = PARVIS;
  const refused = location.hash === "#refused";
  document.documentElement.lang = PARVIS.lang;
  document.querySelector("h1").textContent = refused ? words.refused : words.away;
  document.querySelector("p").textContent = refused ? words.why : words.later;
  const link = document.querySelector("a");
  link.href = PARVIS.start;
  link.textContent = `${words.again} : ${PARVIS.name}`;
})();
