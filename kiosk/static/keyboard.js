// SPDX-License-Identifier: EUPL-1.2
// A small French keyboard in the page, since a kiosk's screen has no other. Keys are ordinary buttons.
"use strict";

(() => {
  const board = document.getElementById("keyboard");
  const fields = [...document.querySelectorAll("[data-keyboard]")];
  if (!board || !fields.length) return;
  const words = board.dataset;
  const LAYERS = {
    letters: ["azertyuiop", "qsdfghjklm", "⇧wxcvbn'-⌫", "Ⓔé␣.@⏎▾"],
    signs: ["1234567890", "àâäáãæçèêëœ", "⇧îïíôöóùûúüñ⌫", "Ⓐ,?!:/&␣⏎▾"],
    digits: ["123", "456", "789", "⌫0▾"],
  };
  const NAMES = {
    "⇧": words.shift, "⌫": words.erase, "␣": words.space, "▾": words.hide, "⏎": words.line, "Ⓔ": words.accents, "Ⓐ": words.letters,
  };
  const FACES = { "␣": words.space, "Ⓔ": "123 à", "Ⓐ": "abc" };
  let field = null;
  let capitals = false;

  function write(text) {
    const limit = field.maxLength < 0 ? Infinity : field.maxLength;
    const length = field.value.length - (field.selectionEnd - field.selectionStart) + text.length;
    if (length > limit) return;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function erase() {
    if (field.selectionStart === field.selectionEnd && field.selectionStart > 0) {
      const before = [...field.value.slice(0, field.selectionStart)].at(-1).length;
      field.setSelectionRange(field.selectionStart - before, field.selectionStart);
    }
    field.setRangeText("", field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  const ACTIONS = {
    "⇧": () => { capitals = !capitals; faces(); },
    "⌫": erase,
    "␣": () => write(" "),
    "▾": () => hide(),
    "⏎": () => (field.tagName === "TEXTAREA" ? write("\n") : hide()),
    "Ⓔ": () => draw("signs"),
    "Ⓐ": () => draw("letters"),
  };

  function press(key) {
    if (ACTIONS[key]) return ACTIONS[key]();
    write(capitals ? key.toLocaleUpperCase("fr") : key);
    if (capitals) { capitals = false; faces(); }
  }

  function faces() {
    for (const key of board.querySelectorAll("button")) {
      const name = key.dataset.key;
      if (name === "⇧") key.setAttribute("aria-pressed", String(capitals));
      else if (!ACTIONS[name]) key.textContent = capitals && name !== "ß" ? name.toLocaleUpperCase("fr") : name;
    }
  }

  function draw(layer) {
    board.replaceChildren(...LAYERS[layer].map((keys) => {
      const row = document.createElement("div");
      row.className = "keys";
      row.append(...[...keys].map((name) => {
        const key = document.createElement("button");
        key.type = "button";
        key.dataset.key = name;
        key.className = name === "␣" ? "key space" : NAMES[name] ? "key other" : "key";
        key.textContent = FACES[name] || name;
        if (NAMES[name]) key.setAttribute("aria-label", NAMES[name]);
        return key;
      }));
      return row;
    }));
    board.dataset.layer = layer;
    faces();
  }

  function show(target) {
    const layer = target.inputMode === "numeric" || target.dataset.most ? "digits" : "letters";
    field = target;
    if (board.hidden || board.dataset.layer !== layer) draw(layer);
    board.hidden = false;
    document.body.classList.add("typing");
    document.body.style.setProperty("--board", `${board.offsetHeight}px`);
    target.scrollIntoView({ block: target.type === "search" ? "start" : "center" });
  }

  function hide() {
    board.hidden = true;
    document.body.classList.remove("typing");
    if (field) field.blur();
  }

  // Pressing a key must not take the place of writing away from the field.
  board.addEventListener("pointerdown", (event) => event.preventDefault());
  board.addEventListener("mousedown", (event) => event.preventDefault());
  board.addEventListener("click", (event) => {
    const key = event.target.closest("button");
    if (key) press(key.dataset.key);
  });
  for (const target of fields) {
    target.inputMode = target.dataset.most ? "numeric" : "none";
    target.addEventListener("focus", () => show(target));
  }
  // Go away when something else is touched, but only after its click: what is touched must not move under the finger.
  document.addEventListener("focusin", () => setTimeout(() => {
    const active = document.activeElement;
    if (!board.hidden && !board.contains(active) && !fields.includes(active)) hide();
  }, 300));
})();
