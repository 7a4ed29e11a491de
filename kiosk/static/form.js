// SPDX-License-Identifier: EUPL-1.2
// Large "one less" and "one more" beside a number; without scripts the number is written.
"use strict";

for (const stepper of document.querySelectorAll("[data-stepper]")) {
  const input = stepper.querySelector("input");
  const most = Number(input.dataset.most);
  const button = (label, sign, step) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "soft-button";
    made.textContent = sign;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => {
      input.value = String(Math.min(most, Math.max(1, (parseInt(input.value, 10) || 1) + step)));
    });
    return made;
  };
  stepper.prepend(button(stepper.dataset.less, "−", -1));
  stepper.append(button(stepper.dataset.more, "+", 1));
}
