// Today in numbers: the row that answers "how are we doing?".

import { byId, h, keep, setAttribute, setText } from "./dom.js";
import { isKnown, number, percent, side, signed, signedPercent, usd } from "./format.js";

const list = () => byId("figures-list");

/** Of a running session. */
export function showFigures({ account, positions, n_fills: fills, n_orders: orders, limits }) {
  const share = (value) => (account.equity_at_open_usd ? (100 * value) / account.equity_at_open_usd : null);
  const used = account.allocated_usd ? (100 * account.committed_usd) / account.allocated_usd : null;
  const entries = limits.find((limit) => limit.name === "entries_per_session");
  show([
    figure(
      "pnl",
      "Result of the day",
      signed(account.pnl_usd),
      `${signedPercent(share(account.pnl_usd), 3)} of the account, net of fees`,
      account.pnl_usd,
    ),
    figure("realised", "Realised", signed(account.realised_usd), "sold, after fees", account.realised_usd),
    figure(
      "unrealised",
      "Unrealised",
      signed(account.unrealised_usd),
      `${number(positions.length)} open, at the bid`,
      account.unrealised_usd,
    ),
    figure(
      "drawdown",
      "Under the day's best",
      signed(account.drawdown_usd),
      `deepest ${signed(account.max_drawdown_usd)}`,
    ),
    figure("equity", "Equity", usd(account.equity_usd), `at the open ${usd(account.equity_at_open_usd)}`),
    figure(
      "capital",
      "Capital at work",
      percent(used, 1),
      `${number(account.committed_usd)} of ${number(account.allocated_usd)}`,
    ),
    figure(
      "fills",
      "Executions",
      number(fills),
      `${entries ? `${number(entries.used)} entries, ` : ""}${number(orders)} orders`,
    ),
  ]);
}

/** Of a day on record. */
export function showDay(day, metrics) {
  const wins = isKnown(day.wins) && day.round_trips ? `${number(day.wins)} won` : "";
  show([
    figure("pnl", "Result of the day", signed(day.pnl_usd), "net of fees", day.pnl_usd),
    figure("trips", "Round trips", number(day.round_trips), wins),
    figure(
      "win-rate",
      "Win rate",
      percent(metrics?.win_rate_pct, 1),
      metrics ? `profit factor ${number(metrics.profit_factor, 2)}` : "",
    ),
    figure("drawdown", "Deepest drawdown", signed(metrics?.max_drawdown ?? day.drawdown_usd), "from the day's best"),
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
