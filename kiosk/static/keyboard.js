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
    digits: ["123", "456", "789", "⌫0⏎"],
  };
  const NAMES = {
    "⇧": words.shift, "⌫": words.erase, "␣": words.space, "▾": words.hide, "⏎": words.next, "Ⓔ": words.accents, "Ⓐ": words.letters,
  };
  const FACES = { "␣": words.space, "Ⓔ": "123 à", "Ⓐ": "abc", "⏎": "OK" };
  const gone = new AbortController();
  document.addEventListener("parvis:gone", () => gone.abort(), { once: true });
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
    "⏎": () => (field.tagName === "TEXTAREA" ? write("\n") : goOn()),
    "Ⓔ": () => draw("signs"),
    "Ⓐ": () => draw("letters"),
  };

  // To the next field; after the last, to what sends the form. A search has shown its answers already.
  function goOn() {
    const own = fields.filter((other) => other.form === field.form && other.checkVisibility());
    const following = own[own.indexOf(field) + 1];
    if (following) return following.focus();
    const send = field.form && field.form.querySelector("button:not([type=button])");
    if (!send || field.type === "search") return hide();
    hide();
    send.focus({ preventScroll: true });
    send.scrollIntoView({ block: "center" });
  }

  function press(key) {
    if (ACTIONS[key]) return ACTIONS[key]();
    write(capitals ? key.toLocaleUpperCase("fr") : key);
    if (capitals) { capitals = false; faces(); }
  }

  function faces() {
    for (const key of board.querySelectorAll("button")) {
      const name = key.dataset.key;
      if (name === "⇧") key.setAttribute("aria-pressed", String(capitals));
      else if (name === "⏎" && field.tagName === "TEXTAREA") { key.textContent = name; key.setAttribute("aria-label", words.line); }
      else if (!ACTIONS[name]) key.textContent = capitals && name !== "ß" ? name.toLocaleUpperCase("fr") : name;
    }
  }

  function draw(layer) {
    const was = board.contains(document.activeElement);
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
    if (was) board.querySelector("button").focus();
  }

  // While it is open the page ends where the keys begin: it scrolls above them, and nothing of it is ever behind them.
  function show(target) {
    const layer = target.inputMode === "numeric" || target.dataset.most ? "digits" : "letters";
    const other = !field || field.tagName !== target.tagName;
    field = target;
    if (board.hidden || other || board.dataset.layer !== layer) draw(layer);
    const from = board.hidden ? window.scrollY : document.body.scrollTop;
    board.hidden = false;
    document.body.style.setProperty("--board", `${board.offsetHeight}px`);
    document.body.classList.add("typing");
    document.body.scrollTop = from;
    target.scrollIntoView({ block: target.type === "search" ? "start" : "center" });
  }

  function hide() {
    const from = document.body.scrollTop;
    board.hidden = true;
    document.body.classList.remove("typing");
    window.scrollTo(0, from);
    if (field) field.blur();
  }

  board.addEventListener("parvis:hide", hide);
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
    target.addEventListener("click", () => board.hidden && show(target));
    if (target === document.activeElement) show(target); // who is quick has touched it before this was here
  }
  // Go away when something else is touched, but only after its click: what is touched must not move under the finger.
  let touching = false;
  function leave() {
    const active = document.activeElement;
    if (!touching && !board.hidden && !board.contains(active) && !fields.includes(active)) hide();
  }
  document.addEventListener("focusin", () => setTimeout(leave, 300), { signal: gone.signal });
  document.addEventListener("pointerdown", () => { touching = true; }, { capture: true, signal: gone.signal });
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => {
    touching = false;
    setTimeout(leave, 300);
  }, { capture: true, signal: gone.signal });
})();
