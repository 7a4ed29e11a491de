// SPDX-License-Identifier: EUPL-1.2
// A small French keyboard for fields of any site, since a kiosk's screen has no other.
"use strict";

globalThis.parvisKeys = (root, words) => {
  const LAYERS = {
    letters: ["azertyuiop", "qsdfghjklm", "⇧wxcvbn'-⌫", "Ⓔé␣.@⏎▾"],
    signs: ["1234567890", "àâäçèêëîïœ", "⇧ôöùûüñ_+⌫", "Ⓐ,?!:/&␣⏎▾"],
  };
  const NAMES = {
    "⇧": words.shift, "⌫": words.erase, "␣": words.space, "▾": words.hide, "⏎": words.next, "Ⓔ": words.accents, "Ⓐ": words.letters,
  };
  const FACES = { "␣": words.space, "Ⓔ": "123 à", "Ⓐ": "abc", "⏎": "OK" };
  const NOT_WRITTEN = new Set(["button", "checkbox", "color", "file", "hidden", "image", "radio", "range", "reset", "submit"]);
  const board = document.createElement("div");
  board.className = "board";
  board.hidden = true;
  board.setAttribute("role", "group");
  board.setAttribute("aria-label", words.keyboard);
  root.append(board);
  let capitals = false;

  const field = () => {
    let found = document.activeElement;
    while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
    if (!found) return null;
    if (found.tagName === "INPUT") return NOT_WRITTEN.has(found.type) || found.readOnly ? null : found;
    return found.tagName === "TEXTAREA" || found.isContentEditable ? found : null;
  };

  // As if it were typed, so that the site's own scripts hear of it.
  const write = (text) => document.execCommand("insertText", false, text);

  function goOn(target) {
    if (target.tagName !== "INPUT") return document.execCommand("insertLineBreak");
    if (target.form) target.form.requestSubmit();
    return hide();
  }

  function press(name) {
    const target = field();
    if (!target) return hide();
    if (name === "⇧") { capitals = !capitals; return faces(); }
    if (name === "⌫") return document.execCommand("delete");
    if (name === "␣") return write(" ");
    if (name === "▾") return hide();
    if (name === "⏎") return goOn(target);
    if (name === "Ⓔ") return draw("signs");
    if (name === "Ⓐ") return draw("letters");
    write(capitals ? name.toLocaleUpperCase("fr") : name);
    if (capitals) { capitals = false; faces(); }
  }

  function faces() {
    for (const key of board.querySelectorAll("button")) {
      const name = key.dataset.key;
      if (name === "⇧") key.setAttribute("aria-pressed", String(capitals));
      else if (!NAMES[name]) key.textContent = capitals ? name.toLocaleUpperCase("fr") : name;
    }
  }

  function draw(layer) {
    board.replaceChildren(...LAYERS[layer].map((names) => {
      const row = document.createElement("div");
      row.append(...[...names].map((name) => {
        const key = document.createElement("button");
        key.dataset.key = name;
        key.className = name === "␣" ? "space" : "";
        key.textContent = FACES[name] || name;
        if (NAMES[name]) key.setAttribute("aria-label", NAMES[name]);
        return key;
      }));
      return row;
    }));
    faces();
  }

  function show() {
    if (!board.firstChild) draw("letters");
    board.hidden = false;
    document.documentElement.style.setProperty("padding-bottom", `${board.offsetHeight}px`, "important");
    field()?.scrollIntoView({ block: "center" });
  }

  function hide() {
    board.hidden = true;
    document.documentElement.style.removeProperty("padding-bottom");
  }

  board.addEventListener("pointerdown", (event) => event.preventDefault());
  board.addEventListener("mousedown", (event) => event.preventDefault());
  board.addEventListener("click", (event) => {
    const key = event.target.closest("button");
    if (key) press(key.dataset.key);
  });
  window.addEventListener("focusin", () => field() && show(), { capture: true });
  window.addEventListener("pointerup", () => setTimeout(() => (field() ? show() : hide()), 300), { capture: true });
};
