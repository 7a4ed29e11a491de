// SPDX-License-Identifier: EUPL-1.2
// Goes through the page by four keys, for whoever can't touch it: arrows move, Enter chooses, Escape goes back. The keys
// come from a keyboard, or from a number pad by way of the device service ("parvis:key").
"use strict";

(() => {
  const REACHABLE = "a[href], button, input:not([type=hidden]), textarea, select, [data-read]"; // data-read: a text that is heard (speech.js)
  const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

  let place = null; // where one was, when what had the focus is closed
  document.addEventListener("focusin", (event) => { if (!event.target.closest("#keyboard")) place = event.target; });

  function reachable() {
    const open = document.querySelector("dialog[open]");
    const found = (open || document).querySelectorAll(REACHABLE);
    return [...found].filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility());
  }

  // On the keyboard of the page, up and down go from row to row; beyond its edge the keys go through the page again.
  function row(step) {
    const key = document.activeElement;
    const now = key.closest("#keyboard .keys");
    const other = now && (step > 0 ? now.nextElementSibling : now.previousElementSibling);
    if (!other) return false;
    const centre = key.offsetLeft + key.offsetWidth / 2;
    const far = (one) => Math.abs(one.offsetLeft + one.offsetWidth / 2 - centre);
    [...other.children].sort((one, two) => far(one) - far(two))[0].focus();
    return true;
  }

  function move(step) {
    const all = reachable();
    const active = document.activeElement;
    const now = all.indexOf(active === document.body ? place : active);
    const first = step > 0 ? 0 : all.length - 1;
    const next = now < 0 ? all[first] : all[(now + step + all.length) % all.length];
    if (next) next.focus();
  }

  function back() {
    const keyboard = document.getElementById("keyboard");
    const link = document.querySelector(".back a, .bar a"); // where a page has no way back, home
    if (keyboard && !keyboard.hidden) keyboard.dispatchEvent(new Event("parvis:hide"));
    else if (link) link.click();
  }

  // What Enter would do to it; a field that is written in by the page's keyboard leads there.
  function choose() {
    const target = document.activeElement;
    if (target.matches("[data-keyboard]")) {
      target.focus();
      document.querySelector("#keyboard button").focus();
    } else if (target !== document.body) target.click();
  }

  function hear() {
    const wish = document.body.dataset.hear;
    if (wish) window.location.replace(wish);
  }

  const WISHES = {
    up: () => row(-1) || move(-1), down: () => row(1) || move(1), left: () => move(-1), right: () => move(1), choose, back, hear,
  };
  document.addEventListener("parvis:key", (event) => {
    document.dispatchEvent(new Event("input")); // somebody is here
    const dialog = document.querySelector("dialog[open]");
    if (event.detail === "back" && dialog) return dialog.dispatchEvent(new Event("cancel"));
    const wake = document.querySelector("a.wake"); // the first screen: any key begins
    if (wake) return wake.click();
    WISHES[event.detail]();
  });

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
    if (event.altKey || event.ctrlKey || event.metaKey || target.matches("select")) return;
    if (event.key === "Enter" && target.matches("input[type=radio]")) { // it chooses here too, and sends nothing yet
      event.preventDefault();
      target.click();
    } else if (step && !(sideways && target.matches("input, textarea"))) { // up and down leave a group of choices
      event.preventDefault();
      if (sideways || !row(step)) move(step);
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) back();
  });
})();
