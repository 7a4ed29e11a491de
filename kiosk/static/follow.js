// SPDX-License-Identifier: EUPL-1.2
// Follows links in place: the next page takes the place of this one in the same document. A new document costs a small
// computer more than all else between a touch and its answer. "parvis:gone" ends what a page listens for, "parvis:page"
// tells that the next one is there. A page without data-in-place, and whatever goes wrong, gets a document of its own.
"use strict";

(() => {
  const root = document.documentElement;
  const body = document.body;
  const sheet = (page) => page.querySelector("link[rel=stylesheet]").getAttribute("href");
  const scripts = (page, which) => [...page.head.querySelectorAll(`script[src]${which}`)].map((one) => one.getAttribute("src"));
  const OWN = ":not([data-everywhere])";
  let asking = new AbortController();

  function show(page) {
    const kept = [...root.classList].filter((name) => name.startsWith("device-") || name === "awake");
    root.className = [page.documentElement.className, ...kept].join(" ").trim();
    root.lang = page.documentElement.lang;
    document.title = page.title;
    for (const name of body.getAttributeNames()) if (!page.body.hasAttribute(name)) body.removeAttribute(name);
    for (const { name, value } of page.body.attributes) body.setAttribute(name, value);
    body.replaceChildren(...page.body.childNodes);
    window.scrollTo(0, 0);
  }

  // Scripts that only some pages have run anew for each of these.
  function run(addresses) {
    for (const old of document.head.querySelectorAll(`script${OWN}`)) old.remove();
    document.head.append(...addresses.map((address) => Object.assign(document.createElement("script"), { src: address, async: false })));
  }

  function isAlike(page) {
    const everywhere = (one) => scripts(one, "[data-everywhere]").join();
    return "inPlace" in page.body.dataset && sheet(page) === sheet(document) && everywhere(page) === everywhere(document);
  }

  async function follow(address) {
    const { signal } = asking;
    let page = null;
    let at = address;
    try {
      const answer = await fetch(address, { signal, cache: "no-store" });
      at = answer.url;
      if (answer.ok) page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch (error) { /* nobody serves, or something else was touched meanwhile */ }
    if (signal.aborted || body.classList.contains("over")) return;
    if (!page || !isAlike(page)) return window.location.assign(address);
    document.dispatchEvent(new Event("parvis:gone"));
    history.pushState(null, "", at);
    show(page);
    run(scripts(page, OWN));
    document.dispatchEvent(new Event("parvis:page"));
  }

  document.addEventListener("click", (event) => {
    const touched = event.target.closest("a[href], button");
    if (!touched) return;
    asking.abort();
    if (event.defaultPrevented || event.ctrlKey || event.shiftKey || touched.matches("button, [target], [download]")) return;
    const to = new URL(touched.getAttribute("href"), window.location.href);
    if (!("inPlace" in body.dataset) || to.origin !== window.location.origin || to.hash) return;
    event.preventDefault();
    asking = new AbortController();
    follow(to.href);
  });
  window.addEventListener("popstate", () => window.location.reload());
})();
