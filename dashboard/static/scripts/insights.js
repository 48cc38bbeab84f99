// What stood out in a session, told by the rules and by language models, and what the models cost.

import { byId, fill, h, setText, showEmpty } from "./dom.js";
import { clockMinutes, counted, day, number, words } from "./format.js";

export function insightsPanel() {
  const section = byId("insights");
  return {
    load({ session_date: date, rows }) {
      fill(byId("insight-list"), [...rows].reverse(), (row) => insight(row, date));
      showEmpty(section, rows.length === 0);
    },
    loadCost({ by_day: days }) {
      const sum = (column) => days.reduce((total, row) => total + (row[column] ?? 0), 0);
      const text = days.length
        ? `language models: ${counted(sum("calls"), "call")}, ${number(sum("cost_usd"), 4)} USD`
        : "no language model was asked";
      setText(byId("insights-cost"), text);
    },
  };
}

function insight({ timestamp: at, source, insights, recommendations }, date) {
  return h(
    "li",
    {},
    h("h3", {}, `${source === "rules" ? "Rules" : source} · ${day(date)} ${clockMinutes(at)}`),
    h(
      "ul",
      { class: "findings" },
      ...String(insights)
        .split("\n")
        .filter(Boolean)
        .map((text) => h("li", {}, text)),
    ),
    ...suggestions(recommendations ?? []),
  );
}

function suggestions(rows) {
  if (rows.length === 0) return [];
  const line = (row) =>
    h(
      "li",
      {},
      h("b", {}, `${words(row.parameter)} → ${row.new_value}`),
      ` ${row.priority ? `(${row.priority}) ` : ""}${row.reason ?? ""}`,
    );
  return [h("h3", {}, "Suggestions"), h("ul", { class: "findings" }, ...rows.map(line))];
}
