// SPDX-License-Identifier: EUPL-1.2
// The bar above every page of the corner: back, where one is, finish; the question to who seems gone; the keyboard.
"use strict";

(() => {
  const { words } = PARVIS;
  const HEIGHT = 72;
  const STYLE = `
    :host { all: initial }
    .bar, .ask, .board { position: fixed; left: 0; right: 0; box-sizing: border-box; font: 600 20px/1.3 "DejaVu Sans", sans-serif; color: #fff; background: #10262b }
    .bar { top: 0; height: ${HEIGHT}px; display: flex; align-items: center; gap: 12px; padding: 4px 12px }
    .low .bar { top: auto; bottom: 0 }
    .where { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: center }
    button { all: unset; box-sizing: border-box; min-height: 64px; min-width: 64px; padding: 0 20px; border: 2px solid #fff; border-radius: 12px; text-align: center; cursor: default; display: inline-flex; align-items: center; justify-content: center }
    button:focus-visible { outline: 4px solid #ffd54a; outline-offset: 2px }
    .finish { background: #fff; color: #10262b }
    .ask { top: ${HEIGHT}px; display: flex; align-items: center; justify-content: center; gap: 20px; padding: 12px; background: #ffd54a; color: #10262b }
    .ask button { border-color: #10262b }
    .low .ask { top: auto; bottom: ${HEIGHT}px }
    .board { bottom: 0; padding: 8px }
    .low .board { bottom: ${HEIGHT}px }
    .board div { display: flex; gap: 6px; margin: 6px 0; justify-content: center }
    .board button { flex: 1; max-width: 120px; padding: 0; font-size: 26px }
    .board .space { flex: 4; max-width: 480px }
    [aria-pressed=true] { background: #fff; color: #10262b }
    [hidden] { display: none !important }`;

  const host = document.createElement("parvis-bar");
  const root = host.attachShadow({ mode: "closed" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const all = document.createElement("div");
  all.lang = PARVIS.lang;
  root.append(all);
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.setAttribute("role", "navigation");
  const where = document.createElement("span");
  where.className = "where";
  where.textContent = location.protocol === "https:" ? location.hostname : PARVIS.name;

  const send = (asked) => chrome.runtime.sendMessage(asked).catch(() => null);
  const ACTIONS = {
    back: () => (history.length > 1 ? history.go(location.protocol === "https:" ? -1 : -2) : send({ what: "close" })),
    move: () => { all.classList.toggle("low"); room(); },
    finish: () => send({ what: "end" }),
    stay: () => send({ what: "look", touched: true }),
  };
  function button(name, face) {
    const made = document.createElement("button");
    made.className = name;
    made.textContent = face;
    made.dataset.act = name;
    return made;
  }
  const move = button("move", "↕");
  move.setAttribute("aria-label", words.move);
  bar.append(button("back", `← ${words.back}`), where, move, button("finish", words.finish));
  const ask = document.createElement("div");
  ask.className = "ask";
  ask.setAttribute("role", "alert");
  ask.hidden = true;
  const said = document.createElement("span");
  const stay = button("stay", words.stay);
  ask.append(said, stay);
  all.append(bar, ask);
  parvisKeys(all, words);

  // By place, not by target: a page that opens a dialog makes all else of it deaf, and this must never be.
  window.addEventListener("click", (event) => {
    if (!event.isTrusted) return;
    const hit = [...all.querySelectorAll("[data-act]")].find((each) => {
      const box = each.getBoundingClientRect();
      return box.width && event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    }) || (event.composedPath()[0] === host && event.detail === 0 && root.activeElement?.closest("[data-act]"));
    if (!hit) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ACTIONS[hit.dataset.act]();
  }, { capture: true });

  // In the top layer, above whatever the page shows; put back when the page takes it away.
  function room() {
    const low = all.classList.contains("low");
    document.documentElement.style.setProperty("margin-top", low ? "0" : `${HEIGHT}px`, "important");
    document.documentElement.style.setProperty("margin-bottom", low ? `${HEIGHT}px` : "0", "important");
  }
  function put() {
    if (!document.documentElement) return;
    if (!host.isConnected) {
      host.popover = "manual";
      host.style.cssText = "position:fixed;inset:0 auto auto 0;width:0;height:0;margin:0;padding:0;border:0;overflow:visible";
      document.documentElement.append(host);
      room();
    }
    if (!host.matches(":popover-open")) host.showPopover();
  }
  put();
  document.addEventListener("DOMContentLoaded", put);

  async function tick() {
    put();
    const left = await send({ what: "look", touched: false });
    if (!left) return;
    const gone = left.idle <= PARVIS.warning;
    const late = left.whole <= 120;
    ask.hidden = !gone && !late;
    stay.hidden = !gone;
    said.textContent = gone
      ? words.idle.replace("%(seconds)s", Math.max(0, Math.ceil(left.idle)))
      : words.ends.replace("%(minutes)s", Math.max(1, Math.ceil(left.whole / 60)));
  }
  setInterval(tick, 1000);
})();
