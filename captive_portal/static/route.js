// SPDX-License-Identifier: EUPL-1.2
// Draws the way that the address's fragment holds, on the floors that are here. It asks nobody for anything.
(() => {
  "use strict";
  const LEG = /^([\w%-]{1,200}):([\w%-]{1,200}):([\w%-]{1,200}):(lift|stairs|):((?:-?\d{1,6},-?\d{1,6}(?:,|$))*)$/;
  const PIN = "M0 0c-6-8-9-11.500-9-15a9 9 0 0 1 18 0c0 3.500-3 7-9 15z";
  const SVG = "http://www.w3.org/2000/svg";
  const steps = document.getElementById("steps");
  const floors = [...document.querySelectorAll("[data-floor]")];
  const floorOf = (id) => floors.find((each) => each.dataset.floor === id);
  const placeOf = (id) => [...document.querySelectorAll("[data-place]")].find((each) => each.dataset.place === id);
  const nameOf = (id, floor) => (placeOf(id) || floor.querySelector("h2")).textContent.trim();

  function read(fragment) {
    const legs = fragment.split(";").slice(0, 50).map((text) => {
      const found = LEG.exec(text);
      if (!found) return null;
      try {
        const [floor, start, end] = found.slice(1, 4).map(decodeURIComponent);
        return { floor: floorOf(floor), start, end, by: found[4], points: found[5].split(",").filter(Boolean) };
      } catch { return null; }
    });
    return legs.every((leg) => leg && leg.floor) ? legs : [];
  }

  function shape(parent, name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  }

  function draw(leg) {
    const svg = leg.floor.querySelector("svg.plan");
    if (!svg || leg.points.length < 4) return;
    for (const name of ["way-edge", "way"]) shape(svg, "polyline", { class: name, points: leg.points.join(" "), "data-way": "" });
  }

  function pin(leg) {
    const svg = leg.floor.querySelector("svg.plan");
    const place = placeOf(leg.end);
    if (!svg || !place) return;
    const { x, y } = place.dataset;
    const group = shape(svg, "g", { class: "marker-pin", transform: `translate(${x} ${y}) scale(2.2)`, "data-way": "" });
    shape(group, "path", { d: PIN });
    shape(group, "circle", { cy: "-15", r: "3.5" });
  }

  function step(leg) {
    const item = document.createElement("li");
    const floor = document.createElement("b");
    floor.textContent = leg.floor.querySelector("h2").textContent;
    const words = leg.start === leg.end
      ? nameOf(leg.end, leg.floor)
      : steps.dataset.step.replace("{start}", () => nameOf(leg.start, leg.floor)).replace("{to}", () => nameOf(leg.end, leg.floor));
    item.append(floor, `, ${words}${leg.by ? `, ${steps.dataset[leg.by]}` : ""}`);
    return item;
  }

  function show() {
    for (const old of document.querySelectorAll("[data-way]")) old.remove();
    const legs = read(location.hash.slice(1));
    document.getElementById("no-way").hidden = legs.length > 0;
    steps.hidden = legs.length === 0;
    steps.querySelector("ol").replaceChildren(...legs.map(step));
    for (const floor of floors) {
      floor.hidden = legs.length > 0 && !legs.some((leg) => leg.floor === floor);
      floor.querySelector("ul").hidden = legs.length > 0;
    }
    for (const leg of [...legs].reverse()) steps.after(leg.floor); // in the order in which they are walked
    legs.forEach(draw);
    if (legs.length) pin(legs.at(-1));
    for (const link of document.querySelectorAll(".languages a")) link.hash = location.hash;
  }

  addEventListener("hashchange", show);
  show();
})();
