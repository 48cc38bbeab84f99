// Variants tried against the parameters in use: an interval for what each would have brought a session.

import { byId, fill, h, showEmpty, svg } from "./dom.js";
import { counted, isKnown, number, signedPercent, signed, words } from "./format.js";

const [WIDTH, MIDDLE] = [300, 13];

/** `command(kind)` opens the dialog. */
export function experimentsPanel(command) {
  const section = byId("experiments");
  const research = h(
    "button",
    { type: "button", class: "button small", id: "research", onclick: () => command("research") },
    "Start research",
  );
  byId("experiment-actions").append(research);
  return {
    allow(kinds) {
      research.disabled = !kinds.includes("research");
    },
    load(rows) {
      const reach = Math.max(
        0.01,
        ...rows
          .flatMap((row) => [row.low_pct, row.high_pct, row.effect_pct])
          .filter(isKnown)
          .map(Math.abs),
      );
      fill(byId("experiment-list"), rows, (row) => experiment(row, reach));
      showEmpty(section, rows.length === 0);
    },
  };
}

function experiment(row, reach) {
  const { experiment: name, n_days: days, effect_pct: effect, low_pct: low, high_pct: high, verdict, variants } = row;
  const needed = isKnown(row.days_still_needed) ? `, ${number(row.days_still_needed)} more needed` : "";
  const length = `${counted(days, "session")}${needed}`;
  const isKnownEffect = isKnown(low) && isKnown(high);
  const interval = isKnownEffect
    ? `between ${signedPercent(low, 3)} and ${signedPercent(high, 3)} a session`
    : "too few sessions for an interval";
  return h(
    "div",
    { class: "experiment" },
    h("p", {}, h("strong", {}, words(name)), " ", h("span", { class: "badge" }, words(verdict) || "running")),
    h(
      "p",
      { class: "aside" },
      `${isKnown(effect) ? `${signedPercent(effect, 3)}, ` : ""}${interval}; ${length}`,
    ),
    isKnownEffect ? whiskers(low, effect, high, reach) : null,
    h(
      "p",
      { class: "aside" },
      variants.map((one) => `${one.variant}: ${signed(one.pnl_usd, 0)} USD in ${number(one.days)}`).join(" · "),
    ),
  );
}

/** Zero in the middle; the bar is the interval, the dot the estimate. */
function whiskers(low, effect, high, reach) {
  const x = (value) => WIDTH / 2 + ((WIDTH / 2 - 8) * value) / reach;
  const line = (x1, y1, x2, y2, width = 2) =>
    svg("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-width": width });
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} 26`, class: "whiskers", "aria-hidden": "true" },
    svg("line", {
      x1: WIDTH / 2,
      y1: 2,
      x2: WIDTH / 2,
      y2: 24,
      stroke: "var(--line-strong)",
      "stroke-dasharray": "2 3",
    }),
    line(x(low), MIDDLE, x(high), MIDDLE),
    line(x(low), 8, x(low), 18),
    line(x(high), 8, x(high), 18),
    svg("circle", { cx: x(effect), cy: MIDDLE, r: 4.5, fill: "currentColor" }),
  );
}
