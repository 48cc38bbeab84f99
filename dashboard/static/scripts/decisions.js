// What was decided, newest first: purchases, sales, and why a symbol was not bought.

import { byId, h, keep, onFilter, setText, showEmpty } from "./dom.js";
import { clock, number, price, side, signed } from "./format.js";
import { exitWords, refusal } from "./reasons.js";

const MOST = 200; // rows kept on the page; all are in the database
const TRADES = new Set(["enter", "exit", "sync"]);

export function decisionsPanel() {
  const section = byId("decisions");
  const rows = new Map(); // decision_id -> decision
  let results = new Map(); // exec_id -> net result of a sale
  let filter = "all";

  onFilter(byId("decision-filter"), (picked) => {
    filter = picked;
    draw();
  });

  function draw() {
    const all = [...rows.values()].sort((one, other) => (one.at < other.at ? 1 : one.at > other.at ? -1 : 0));
    for (const old of all.splice(MOST)) rows.delete(old.decision_id);
    const wanted = all.filter(({ kind }) => filter === "all" || TRADES.has(kind) === (filter === "trades"));
    keep(
      byId("decision-list"),
      wanted.map((row) => ({ ...row, pnl: results.get(row.decision_id) })),
      (row) => row.decision_id,
      line,
    );
    showEmpty(section, all.length === 0);
  }

  return {
    add(decisions) {
      const before = rows.size;
      for (const one of decisions) if (!rows.has(one.decision_id)) rows.set(one.decision_id, one);
      if (rows.size !== before || before === 0) draw();
    },
    clear() {
      rows.clear();
    },
    /** Results of sales, by the execution that a decision to sell is named after. */
    addTrades(trades) {
      results = new Map(trades.map((trade) => [trade.exec_id, trade.pnl_usd]));
      draw();
    },
  };
}

/** A row of the table `decisions` as the running session tells it. */
export function fromRecord({ timestamp, limit_value: limit, actual_value: actual, ...row }) {
  return { ...row, at: timestamp, limit, actual };
}

function line({ decision_id: id, at, symbol, kind }) {
  const [verb, words, result] = [h("b"), h("span"), h("span")];
  const row = h(
    "li",
    { class: "decision", "data-kind": kind, "data-id": id },
    h("time", { datetime: at }, clock(at)),
    h("strong", {}, symbol),
    h("p", {}, verb, " ", words, " ", result),
  );
  row.update = (decision) => {
    const [does, why] = sentence(decision);
    setText(verb, does);
    setText(words, why);
    setText(result, decision.pnl === undefined ? "" : signed(decision.pnl));
    result.className = decision.pnl === undefined ? "" : side(decision.pnl);
  };
  return row;
}

function sentence({ kind, rule, limit, actual, quantity, price_usd: at }) {
  const shares = `${number(quantity)} at ${price(at)}`;
  if (kind === "enter")
    return rule === "dry_run" ? ["Would buy", shares] : ["Buy", `${shares}: above VWAP, RSI and ATR as wanted`];
  if (kind === "exit") return ["Sold", `${shares}, ${exitWords(rule)}`];
  if (kind === "sync") return ["Adopted", shares];
  return ["No entry", refusal(rule, limit, actual)];
}
