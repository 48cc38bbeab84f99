// What rests at the broker for a position. Nothing there is the one thing that must not be overlooked.

import { h, keep, setAttribute, setText } from "./dom.js";
import { clockMinutes, isKnown, number, price } from "./format.js";

const NAMES = { stop: "stop", target: "target", time_exit: "time exit", close: "closing sale" };
const CONFIRMED = "working"; // by the broker; what was only sent may still be refused
const NOTHING = { role: "nothing" };

export function restingLegs() {
  const element = h("p", { class: "resting" });
  element.update = ({ resting, isRecord, eod }) => {
    const legs = resting.length === 0 && !isRecord ? [NOTHING] : resting;
    const rows = legs.map((leg, index) => ({ ...leg, eod, key: `${leg.role} ${index}` }));
    keep(element, rows, (leg) => leg.key, legBadge);
  };
  return element;
}

function legBadge() {
  const badge = h("span");
  badge.update = (leg) => {
    const isThere = leg.state === CONFIRMED;
    const tone = leg.role === NOTHING.role ? "loss" : isThere ? "gain" : "warning";
    setAttribute(badge, "class", `badge ${tone}`);
    setAttribute(badge, "title", leg.role === NOTHING.role ? null : terms(leg));
    setText(badge, words(leg, isThere));
  };
  return badge;
}

function words(leg, isThere) {
  if (leg.role === NOTHING.role) return "nothing rests at the broker";
  const name = `${NAMES[leg.role] ?? leg.role}${level(leg)}`;
  return isThere ? `✓ ${name}` : `? ${name}: ${leg.state}`;
}

function level({ role, stop_usd: stop, limit_usd: limit, eod }) {
  if (role === "time_exit") return ` ${clockMinutes(eod)}`;
  return isKnown(stop ?? limit) ? ` ${price(stop ?? limit)}` : "";
}

function terms({ order_type: type, tif, quantity, state, held }) {
  const where = held ? "held by IBKR until it triggers" : "at the exchange";
  return `${type} ${tif}, ${number(quantity)} shares, ${state}, ${where}`;
}
