// Today in numbers: the row that answers "how are we doing?".

import { byId, h, keep, setAttribute, setText } from "./dom.js";
import { isKnown, number, percent, side, signed, signedPercent, usd } from "./format.js";

const list = () => byId("figures-list");

/** Of a running session. */
export function showFigures({ account, positions, n_fills: fills, n_orders: orders, limits }) {
  const { pnl_usd: pnl, realised_usd: realised, unrealised_usd: unrealised } = account;
  const { allocated_usd: allocated, committed_usd: committed } = account;
  const share = (part, whole) => (whole ? (100 * part) / whole : null);
  const ofAccount = signedPercent(share(pnl, account.equity_at_open_usd), 3);
  const entries = limits.find((limit) => limit.name === "entries_per_session");
  const sent = `${entries ? `${number(entries.used)} entries, ` : ""}${number(orders)} orders`;
  const deepest = `deepest ${signed(account.max_drawdown_usd)}`;
  const work = `${number(committed)} of ${number(allocated)}`;
  show([
    figure("pnl", "Result of the day", signed(pnl), `${ofAccount} of the account, net of fees`, pnl),
    figure("realised", "Realised", signed(realised), "sold, after fees", realised),
    figure("unrealised", "Unrealised", signed(unrealised), `${number(positions.length)} open, at the bid`, unrealised),
    figure("drawdown", "Under the day's best", signed(account.drawdown_usd), deepest),
    figure("equity", "Equity", usd(account.equity_usd), `at the open ${usd(account.equity_at_open_usd)}`),
    figure("capital", "Capital at work", percent(share(committed, allocated), 1), work),
    figure("fills", "Executions", number(fills), sent),
  ]);
}

/** Of a day on record. */
export function showDay(day, metrics) {
  const wins = isKnown(day.wins) && day.round_trips ? `${number(day.wins)} won` : "";
  const factor = metrics ? `profit factor ${number(metrics.profit_factor, 2)}` : "";
  show([
    figure("pnl", "Result of the day", signed(day.pnl_usd), "net of fees", day.pnl_usd),
    figure("trips", "Round trips", number(day.round_trips), wins),
    figure("win-rate", "Win rate", percent(metrics?.win_rate_pct, 1), factor),
    figure("drawdown", "Deepest drawdown", signed(day.drawdown_usd), "from the day's best"),
    figure("equity", "Equity", usd(day.equity_usd), "at the end of the session"),
    figure("fees", "Fees", usd(day.commissions_usd), metrics ? `slippage ${number(metrics.slippage_bps, 2)} bps` : ""),
    figure("fills", "Executions", number(day.trades), "in this session"),
  ]);
}

export function showNoDay() {
  show([figure("pnl", "Result of the day", number(null), "appears with the first session")]);
}

function figure(key, name, text, note, coloured) {
  return { key, name, text, note, tone: coloured === undefined ? "" : side(coloured) };
}

function show(figures) {
  keep(list(), figures, (one) => one.key, make);
}

function make({ key, name }) {
  const [value, note] = [h("span", { "data-figure": key }), h("small")];
  const element = h(
    "div",
    { class: key === "pnl" ? "figure lead" : "figure" },
    h("dt", {}, name),
    h("dd", {}, value, note),
  );
  element.update = (one) => {
    setText(value, one.text);
    setText(note, one.note);
    setAttribute(value, "class", one.tone || null);
  };
  return element;
}
