// The symbols of the day in rank order, and what stands between each and a purchase.

import { byId, h, keep, setAttribute, setText, showEmpty } from "./dom.js";
import { isKnown, number, percent, price, side, signedPercent } from "./format.js";
import { refusal, shortReason } from "./reasons.js";

/** `choose(symbol)` shows its chart. */
export function watchlistPanel(choose) {
  const table = byId("watchlist");
  const section = byId("watchlist-scroll");
  let shown = [];
  let chosen = "";

  function draw() {
    const rows = shown.map((row) => ({ ...row, isChosen: row.symbol === chosen }));
    keep(
      table.tBodies[0],
      rows,
      (row) => row.symbol,
      (row) => line(row, choose),
    );
    showEmpty(section, rows.length === 0);
  }

  return {
    show(rows) {
      table.classList.remove("on-record");
      shown = rows;
      draw();
    },
    /** Of a session on record: each symbol with what refused it most often. Returns the symbols. */
    showRecord(refusals) {
      table.classList.add("on-record");
      const bySymbol = Map.groupBy(refusals, (row) => row.symbol);
      shown = [...bySymbol].map(([symbol, rows]) => recorded(symbol, rows));
      draw();
      return [...bySymbol.keys()];
    },
    choose(symbol) {
      chosen = symbol;
      draw();
    },
  };
}

function recorded(symbol, refusals) {
  const most = refusals.reduce((one, other) => (other.episodes > one.episodes ? other : one));
  return { symbol, rule: most.rule, words: `${number(most.episodes)}× ${shortReason(most.rule)}` };
}

function line({ symbol }, choose) {
  const cell = () => h("td", { class: "number" });
  const [last, toVwap, rsi, atr, badge] = [cell(), cell(), cell(), cell(), h("span")];
  const name = h("th", { scope: "row" }, h("button", { type: "button" }, symbol));
  const row = h(
    "tr",
    { "data-symbol": symbol, onclick: () => choose(symbol) },
    name,
    last,
    toVwap,
    rsi,
    atr,
    h("td", {}, badge),
  );
  row.update = (watched) => {
    const distance =
      isKnown(watched.last_usd) && watched.vwap_usd
        ? (100 * (watched.last_usd - watched.vwap_usd)) / watched.vwap_usd
        : null;
    setText(last, price(watched.last_usd));
    setText(toVwap, signedPercent(distance));
    setAttribute(toVwap, "class", `number ${side(distance)}`);
    setText(rsi, number(watched.rsi, 1));
    setText(atr, percent(watched.atr_pct, 1));
    setText(badge, now(watched));
    setAttribute(badge, "class", `badge ${tone(watched)}`);
    setAttribute(badge, "title", refusal(watched.rule, null, null));
    setAttribute(row, "aria-current", watched.isChosen ? "true" : null);
  };
  return row;
}

function now({ position, pending, rule, words }) {
  if (words) return words;
  if (position > 0) return `${number(position)} held`;
  if (pending > 0) return `buying ${number(pending)}`;
  return rule ? shortReason(rule) : "not judged yet";
}

function tone({ position, pending, rule }) {
  if (position > 0 || pending > 0) return "buy";
  return rule === "approved" ? "gain" : "";
}
