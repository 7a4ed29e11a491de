// SPDX-License-Identifier: EUPL-1.2
// Keeps the first screen and the page for bad moments; asked for a page that nobody serves, it gives one of these two.
"use strict";

const KEPT = __KEPT__;
const NAME = `parvis-${KEPT.version}`;

self.addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(NAME);
  await cache.addAll([KEPT.pages.away, ...KEPT.files]);
  await cache.add(KEPT.pages.first);
  await self.skipWaiting();
})()));

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== NAME) await caches.delete(name);
  await self.clients.claim();
})()));

async function page(request) {
  const first = new URL(request.url).pathname === KEPT.pages.first;
  try {
    const answer = await fetch(request);
    if (answer.status < 502 || answer.status > 504) return answer;
    if (answer.headers.get("Content-Security-Policy")) return answer; // our own words, not a stranger's
  } catch (error) { /* nobody serves */ }
  const cache = await caches.open(NAME); // not before: while another worker takes over, a page must not wait for it
  return (first && await cache.match(KEPT.pages.first)) || cache.match(KEPT.pages.away);
}

async function file(request) {
  return (await (await caches.open(NAME)).match(request)) || fetch(request);
}

self.addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") event.respondWith(page(event.request));
  else if (KEPT.files.includes(new URL(event.request.url).pathname)) event.respondWith(file(event.request));
});
