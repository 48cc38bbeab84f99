// The way from stop to target: where the cost lies and where the bid stands. In words for those who do not see it.

import { h, setAttribute, setText } from "./dom.js";
import { isKnown, percent, price, side } from "./format.js";

export function track() {
  const [here, stop, target] = ["track-price", "track-stop", "track-target"].map((name) => h("span", { class: name }));
  const line = [h("span", { class: "track-line" }), h("span", { class: "track-cost" })];
  const element = h("div", { class: "track", role: "img" }, ...line, here, stop, target);
  element.update = (position) => {
    const { stop_usd: low, target_usd: high, bid_usd: bid, to_stop_pct: toStop, to_target_pct: toTarget } = position;
    element.hidden = !isKnown(low) || !isKnown(high) || high <= low;
    if (element.hidden) return;
    element.style.setProperty("--cost", place(position.average_cost_usd, low, high));
    if (isKnown(bid)) element.style.setProperty("--here", place(bid, low, high));
    here.hidden = !isKnown(bid);
    setAttribute(here, "class", `track-price ${side(position.unrealised_usd)}`);
    setText(stop, `stop ${price(low)} · ${percent(toStop)} away`);
    setText(target, `${percent(toTarget)} to ${price(high)} target`);
    const above = `${percent(toStop)} above the stop ${price(low)}`;
    const below = `${percent(toTarget)} below the target ${price(high)}`;
    setAttribute(element, "aria-label", `Bid ${price(bid)}: ${above}, ${below}`);
  };
  return element;
}

function place(value, low, high) {
  return `${(100 * Math.min(1, Math.max(0, (value - low) / (high - low)))).toFixed(1)}%`;
}
