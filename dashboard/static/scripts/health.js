// How the program itself does: its latest measures, and what was found and done.

import { byId, fill, h, setText, showEmpty } from "./dom.js";
import { clockMinutes, counted, duration, number, percent } from "./format.js";
import { sparkline } from "./sparkline.js";

const SHOWN = 60; // checks in a line, one a minute
const MEASURES = [
  // column, name, text
  ["cpu_pct", "Processor", (value) => percent(value, 0)],
  ["memory_mb", "Memory", (value) => `${number(value)} MB`],
  ["data_age_s", "Age of data", (value) => duration(value)],
  ["loop_lag_ms", "Loop lag", (value) => `${number(value, 1)} ms`],
];

export function healthPanel() {
  const section = byId("health");
  return {
    /** Warnings of the running session, newest first. */
    warn(warnings) {
      fill(byId("health-warnings"), warnings, warning);
    },
    /** `rows` are the checks of a session, oldest first. */
    load(rows) {
      const latest = rows.at(-1);
      byId("health-measures").replaceChildren(...(latest ? measures(rows.slice(-SHOWN), latest) : []));
      const events = rows
        .filter((row) => row.status !== "normal" || row.healing_action || row.detail)
        .slice(-30)
        .reverse();
      fill(byId("health-events"), events, event);
      const troubled = rows.filter((row) => row.status !== "normal").length;
      setText(
        byId("health-words"),
        latest ? `${counted(rows.length, "check")}, ${troubled ? `${troubled} with findings` : "all well"}` : "",
      );
      showEmpty(section, rows.length === 0);
    },
  };
}

function warning(words) {
  return h("li", { class: "event" }, h("span", { class: "badge warning" }, "warning"), ` ${words}`);
}

function measures(rows, latest) {
  return MEASURES.map(([column, name, text]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, text(latest[column])), sparkline(rows.map((row) => row[column]))),
  );
}

function event({ timestamp: at, status, agent, detail, findings, healing_action: action, healing_result: result }) {
  const found = (findings ?? [])
    .map((one) => [one.measure, one.subject, one.value].filter((part) => part !== null && part !== "").join(" "))
    .join(", ");
  const done = action ? `${action}${result ? `: ${result}` : ""}` : "";
  const tone = { warning: "warning", critical: "loss" }[status] ?? "";
  return h(
    "li",
    { class: "event" },
    h(
      "p",
      {},
      h("time", { datetime: at }, clockMinutes(at)),
      " ",
      h("span", { class: `badge ${tone}` }, status),
      ` ${agent === "day_trader" ? "" : agent} ${[detail, found].filter(Boolean).join("; ")}`,
    ),
    done ? h("p", { class: "aside" }, `done: ${done}`) : null,
  );
}
