// What is held: each position's way between stop and target, and the exits that rest for it at the broker.

import { byId, h, keep, setAttribute, setText, showEmpty } from "./dom.js";
import { clockMinutes, isKnown, number, percent, price, side, signed, signedPercent } from "./format.js";

const LEGS = { stop: "stop", target: "target", time_exit: "time exit", close: "closing sale" };
const AT_THE_BROKER = new Set(["working", "sent"]);

/** `choose(symbol)` shows its chart, `close(symbol)` asks to sell it. */
export function positionsPanel(choose, close) {
  const section = byId("positions");
  const make = (position) => element(position, choose, close);
  return {
    show(view, canClose) {
      const rows = view.positions.map((position) => ({ ...position, canClose, eod: view.eod_at }));
      keep(byId("positions-list"), rows, (row) => row.symbol, make);
      setText(byId("positions-summary"), rows.length ? `${rows.length} open, ${signed(view.account.unrealised_usd)} unrealised` : "");
      showEmpty(section, rows.length === 0);
    },
    /** Shares on record, while no session runs: no prices, nothing to close. */
    showRecord(rows) {
      const view = { account: { unrealised_usd: null }, positions: rows.map(recorded), eod_at: null };
      this.show(view, false);
      setText(byId("positions-summary"), rows.length ? `${rows.length} on record` : "");
    },
  };
}

function recorded({ symbol, quantity, avg_price_usd: average, opened_at: opened }) {
  return { symbol, quantity, average_cost_usd: average, opened_at: opened, resting: [], closing: false, isRecord: true };
}

function element({ symbol }, choose, close) {
  const part = (className, tag = "span") => h(tag, { class: className });
  const [size, since, result, share, track, resting] = [part("size"), part("since minor"), part("amount"), part("share", "small"), trackOf(), part("resting", "p")];
  const button = h("button", { type: "button", class: "button small", onclick: () => close(symbol) }, "Close", h("span", { class: "hidden" }, ` ${symbol}`));
  const name = h("p", { class: "position-name" }, h("button", { type: "button", onclick: () => choose(symbol) }, symbol), size, since);
  const row = h("li", { class: "position", "data-symbol": symbol }, name, h("p", { class: "position-result" }, result, share), button, track, resting);
  row.update = (position) => {
    setAttribute(size, "title", "shares and what each cost, with fees");
    setText(size, `${number(position.quantity)} @ ${price(position.average_cost_usd)}`);
    setText(since, position.opened_at ? clockMinutes(position.opened_at) : "");
    setText(result, position.isRecord ? "" : signed(position.unrealised_usd));
    setText(share, position.isRecord ? "" : signedPercent(position.unrealised_pct));
    setAttribute(result.parentElement, "class", `position-result ${side(position.unrealised_usd)}`);
    button.disabled = !position.canClose || position.closing;
    button.hidden = position.isRecord === true;
    setText(button.firstChild, position.closing ? "Closing…" : "Close");
    track.update(position);
    showResting(resting, position);
  };
  return row;
}

/** The way from stop to target, with the cost and where the bid stands; in words for those who do not see it. */
function trackOf() {
  const [here, stop, target] = ["track-price", "track-stop", "track-target"].map((name) => h("span", { class: name }));
  const track = h("div", { class: "track", role: "img" }, h("span", { class: "track-line" }), h("span", { class: "track-cost" }), here, stop, target);
  track.update = ({ stop_usd: low, target_usd: high, average_cost_usd: cost, bid_usd: bid, ...position }) => {
    track.hidden = !isKnown(low) || !isKnown(high) || high <= low;
    if (track.hidden) return;
    const place = (value) => `${(100 * Math.min(1, Math.max(0, (value - low) / (high - low)))).toFixed(1)}%`;
    track.style.setProperty("--cost", place(cost));
    if (isKnown(bid)) track.style.setProperty("--here", place(bid));
    here.hidden = !isKnown(bid);
    setAttribute(here, "class", `track-price ${side(position.unrealised_usd)}`);
    setText(stop, `stop ${price(low)} · ${percent(position.to_stop_pct)} away`);
    setText(target, `${percent(position.to_target_pct)} to ${price(high)} target`);
    setAttribute(track, "aria-label", `Bid ${price(bid)}: ${percent(position.to_stop_pct)} above the stop ${price(low)}, ${percent(position.to_target_pct)} below the target ${price(high)}`);
  };
  return track;
}

function showResting(place, { resting, isRecord, eod }) {
  const rows = resting.map((leg, index) => ({ ...leg, index, eod }));
  if (rows.length === 0 && !isRecord) rows.push({ role: "none", index: 0 });
  keep(place, rows, (leg) => `${leg.role} ${leg.index}`, () => {
    const badge = h("span");
    badge.update = (leg) => {
      const [tone, words, title] = legWords(leg);
      setAttribute(badge, "class", `badge ${tone}`);
      setAttribute(badge, "title", title);
      setText(badge, words);
    };
    return badge;
  });
}

function legWords(leg) {
  if (leg.role === "none") return ["loss", "nothing rests at the broker", ""];
  const level = leg.stop_usd ?? leg.limit_usd;
  const at = leg.role === "time_exit" ? ` ${clockMinutes(leg.eod)}` : isKnown(level) ? ` ${price(level)}` : "";
  const title = `${leg.order_type} ${leg.tif}, ${number(leg.quantity)} shares, ${leg.state}${leg.held ? ", held by IBKR until it triggers" : ""}`;
  const isThere = AT_THE_BROKER.has(leg.state);
  return [isThere ? "gain" : "warning", `${isThere ? "✓" : "?"} ${LEGS[leg.role] ?? leg.role}${at}${isThere ? "" : `: ${leg.state}`}`, title];
}
