// SPDX-License-Identifier: EUPL-1.2
// Keeps the page fresh: every two seconds, replaces only the sections that changed and that nobody is using.
const refresh = async () => {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const next of fresh.querySelectorAll("[data-live]")) {
      const here = document.getElementById(next.id);
      if (!here || here.innerHTML === next.innerHTML || here.contains(document.activeElement)) continue;
      const scrolled = [...here.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
      here.replaceChildren(...next.childNodes);
      here.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = scrolled[i] ?? 0; });
    }
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
};
setInterval(() => { if (!document.hidden) refresh(); }, 2000);
