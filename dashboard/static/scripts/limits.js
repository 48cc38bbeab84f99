// The risk limits, and how much of each is used.

import { byId, h, keep, setAttribute, setText, showEmpty } from "./dom.js";
import { duration, number, words } from "./format.js";

const NEAR = 0.75; // share of a limit from which on it is pointed out
const DIGITS = { usd: 0, pct: 2 };

export function limitsPanel() {
  const section = byId("limits");
  return {
    show({ limits }) {
      keep(byId("limits-list"), limits, (limit) => limit.name, line);
      const reached = limits.filter((limit) => limit.reached).length;
      setText(byId("limits-words"), reached ? `${reached} reached` : limits.length ? "none reached" : "");
      showEmpty(section, limits.length === 0);
    },
    clear() {
      this.show({ limits: [] });
    },
  };
}

function line({ name }) {
  const [amount, bar, label] = [
    h("span", { class: "amount" }),
    h("progress", { "aria-label": words(name) }),
    h("span", {}, sentenceCase(words(name))),
  ];
  const row = h("li", { class: "limit", "data-limit": name }, label, amount, bar);
  row.update = ({ used, allowed, unit, reached }) => {
    const share = allowed > 0 ? used / allowed : 0;
    setText(amount, `${reached ? "reached: " : ""}${inUnit(used, unit)} of ${inUnit(allowed, unit)}${suffix(unit)}`);
    setAttribute(bar, "max", allowed > 0 ? allowed : 1);
    setAttribute(bar, "value", Math.max(0, Math.min(used, allowed)));
    setAttribute(row, "data-tone", reached ? "bad" : share >= NEAR ? "warning" : "");
  };
  return row;
}

function inUnit(value, unit) {
  return unit === "s" || unit === "seconds" ? duration(value) : number(value, DIGITS[unit.toLowerCase()] ?? 0);
}

function suffix(unit) {
  return { usd: " USD", pct: " %", "%": " %", bps: " bps" }[unit.toLowerCase()] ?? "";
}

function sentenceCase(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
