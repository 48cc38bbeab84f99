// The strategy's parameters, how they came to be, and the two brakes: freeze, and back to before the last change.

import { byId, fill, h, setText, showEmpty } from "./dom.js";
import { day, number, words } from "./format.js";

/** `command(kind)` opens the dialog. */
export function parametersPanel(command) {
  const section = byId("parameters");
  const freeze = h("button", { type: "button", class: "button small", id: "freeze" }, "Freeze");
  const rollback = h(
    "button",
    { type: "button", class: "button small", id: "rollback", onclick: () => command("rollback") },
    "Roll back",
  );
  let isFrozen = false;
  freeze.addEventListener("click", () => command(isFrozen ? "unfreeze" : "freeze"));
  byId("parameter-actions").append(freeze, rollback);

  return {
    allow(kinds) {
      freeze.disabled = !kinds.includes("freeze");
      rollback.disabled = !kinds.includes("rollback");
    },
    load({ current, frozen, changes }) {
      isFrozen = Boolean(frozen); // why, or nothing
      setText(freeze, isFrozen ? "Unfreeze" : "Freeze");
      freeze.classList.toggle("active", isFrozen);
      fill(byId("parameter-list"), Object.entries(current), inUse);
      fill(byId("parameter-history"), changes, change);
      showEmpty(section, changes.length === 0);
    },
  };
}

function inUse([name, value]) {
  return h("div", {}, h("dt", {}, words(name)), h("dd", { "data-parameter": name }, valueText(value)));
}

function valueText(value) {
  return typeof value === "number" ? number(value, Number.isInteger(value) ? 0 : 2) : String(value);
}

function change({
  timestamp: at,
  session_date: date,
  parameter,
  old_value: before,
  new_value: after,
  source,
  reason,
  applied,
}) {
  return h(
    "li",
    { class: "event" },
    h(
      "p",
      {},
      h("time", { datetime: at }, day(date)),
      " ",
      h("strong", {}, words(parameter)),
      ` ${valueText(before)} → ${valueText(after)} `,
      h("span", { class: `badge ${applied ? "gain" : ""}` }, applied ? "applied" : "not applied"),
      " ",
      h("span", { class: "badge" }, words(source)),
    ),
    h("p", { class: "aside" }, reason),
  );
}
