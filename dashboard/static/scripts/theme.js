// The switch between the system's theme, light and dark. `early.js` applies the choice before the first paint.

import { svg } from "./dom.js";

const NAMES = ["system", "light", "dark"];
const DRAWINGS = {
  // name -> path of its picture
  system: "M12 3a9 9 0 1 0 0 18V3Z",
  light:
    "M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10Zm0-5v3m0 14v3M2 12h3m14 0h3" +
    "M4.9 4.9 7 7m10 10 2.1 2.1M19.1 4.9 17 7M7 17l-2.1 2.1",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
};

/** `changed()` is called whenever the colours are others: also when the system's theme changes. */
export function themeSwitch(button, changed) {
  const root = document.documentElement;
  const show = () => {
    const name = root.dataset.theme ?? "system";
    button.setAttribute("aria-label", `Theme: ${name === "system" ? "as the system" : name}`);
    button.title = button.getAttribute("aria-label");
    button.replaceChildren(drawing(name));
  };
  button.addEventListener("click", () => {
    const next = NAMES[(NAMES.indexOf(root.dataset.theme ?? "system") + 1) % NAMES.length];
    if (next === "system") {
      delete root.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      root.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    show();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}

function drawing(name) {
  const line = { fill: name === "system" ? "currentColor" : "none", stroke: "currentColor", "stroke-width": 1.8 };
  const round = svg("circle", { cx: 12, cy: 12, r: 9, fill: "none", stroke: "currentColor", "stroke-width": 1.8 });
  const path = svg("path", { d: DRAWINGS[name], ...line, "stroke-linecap": "round", "stroke-linejoin": "round" });
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, name === "system" ? round : null, path);
}
