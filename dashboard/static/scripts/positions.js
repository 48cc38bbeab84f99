// What is held: each position with its result, its way from stop to target, and what rests for it at the broker.

import { byId, h, keep, setAttribute, setText, showEmpty } from "./dom.js";
import { clockMinutes, number, price, side, signed, signedPercent } from "./format.js";
import { restingLegs } from "./resting.js";
import { track } from "./track.js";

/** `choose(symbol)` shows its chart, `close(symbol)` asks to sell it. */
export function positionsPanel(choose, close) {
  const show = (rows, summary) => {
    keep(
      byId("positions-list"),
      rows,
      (row) => row.symbol,
      (row) => positionRow(row.symbol, choose, close),
    );
    setText(byId("positions-summary"), rows.length ? `${rows.length} ${summary}` : "");
    showEmpty(byId("positions"), rows.length === 0);
  };
  return {
    show({ positions, account, eod_at: eod }, canClose) {
      const rows = positions.map((position) => ({ ...position, canClose, eod }));
      show(rows, `open, ${signed(account.unrealised_usd)} unrealised`);
    },
    /** Shares on record, while no session runs: no prices, nothing to close. */
    showRecord(rows) {
      show(rows.map(recorded), "on record");
    },
  };
}

function recorded({ symbol, quantity, avg_price_usd: average, opened_at: opened }) {
  return { symbol, quantity, average_cost_usd: average, opened_at: opened, resting: [], isRecord: true };
}

function positionRow(symbol, choose, close) {
  const size = h("span", { class: "size", title: "shares and what each cost, with fees" });
  const [since, amount, share] = [h("span", { class: "since minor" }), h("span", { class: "amount" }), h("small")];
  const name = h("button", { type: "button", onclick: () => choose(symbol) }, symbol);
  const result = h("p", {}, amount, share);
  const sell = closeButton(symbol, close);
  const [way, resting] = [track(), restingLegs()];
  const row = h("li", { class: "position", "data-symbol": symbol });
  row.append(h("p", { class: "position-name" }, name, size, since), result, sell, way, resting);
  row.update = (position) => {
    const isPriced = position.isRecord !== true;
    setText(size, `${number(position.quantity)} @ ${price(position.average_cost_usd)}`);
    setText(since, position.opened_at ? clockMinutes(position.opened_at) : "");
    setText(amount, isPriced ? signed(position.unrealised_usd) : "");
    setText(share, isPriced ? signedPercent(position.unrealised_pct) : "");
    setAttribute(result, "class", `position-result ${side(position.unrealised_usd)}`);
    for (const part of [sell, way, resting]) part.update(position);
  };
  return row;
}

function closeButton(symbol, close) {
  const words = h("span", {}, "Close");
  const press = () => close(symbol);
  const button = h("button", { type: "button", class: "button small", onclick: press }, words);
  button.append(h("span", { class: "hidden" }, ` ${symbol}`));
  button.update = ({ canClose, closing, isRecord }) => {
    button.disabled = !canClose || closing;
    button.hidden = isRecord === true;
    setText(words, closing ? "Closing…" : "Close");
  };
  return button;
}
