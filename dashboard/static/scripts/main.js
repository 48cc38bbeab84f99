// The page: the stream brings the session, sources bring the rest when it may have changed.

import { get } from "./api.js";
import { repaintCharts } from "./charts.js";
import { CommandDialog, titleOf } from "./commands.js";
import { connect } from "./connection.js";
import { allowedKinds, barControls } from "./controls.js";
import { byId } from "./dom.js";
import { showDay, showFigures, showNoDay } from "./figures.js";
import { notice } from "./notices.js";
import { makePanels, makeSources } from "./panels.js";
import { state } from "./state.js";
import { themeSwitch } from "./theme.js";
import { showRecord, showSession } from "./topbar.js";

const RECORD_MS = 10_000; // how often a database is asked again while no session runs
const LOG_MS = 3_000;
const OUTCOME_MS = 15_000; // how long the outcome of somebody's command is shown
const ON_RECORD = ["sessions", "prices", "decisions", "trips", "health", "parameters", "experiments", "cost"];
const ONCE_A_SESSION = ["sessions", "parameters", "experiments", "insights", "cost"];

const dialog = new CommandDialog(tellOutcome);
const command = (kind, symbol) => dialog.begin(kind, symbol);
const panels = makePanels({ symbol: chooseSymbol, session: chooseSession, command });
const sources = makeSources(panels, { days: showDayOnRecord, noSession: refreshRecord });
const showBar = barControls(command);

function showControls() {
  showBar();
  panels.parameters.allow(allowedKinds());
  panels.experiments.allow(allowedKinds());
}

// A running session

function showView(view) {
  const isFirst = state.view?.session_date !== view.session_date;
  state.view = view;
  if (isFirst) beginSession(view);
  else panels.equity.show(view);
  showSession(view);
  showFigures(view);
  panels.positions.show(view, allowedKinds().includes("close"));
  panels.watchlist.show(view.watchlist);
  panels.decisions.add(view.decisions);
  panels.limits.show(view);
  panels.health.warn(view.warnings);
  panels.price.show(view);
  showControls();
  tellTroubles(view);
  askWhatChanged(view);
}

function beginSession(view) {
  panels.decisions.clear();
  chooseSymbol(panels.price.symbol || (view.positions[0] ?? view.watchlist[0])?.symbol);
}

/** Each source hears of what it depends on. */
function askWhatChanged({ session_date: date, phase, n_fills: fills, at, watchlist }) {
  const bars = watchlist.find((row) => row.symbol === panels.price.symbol)?.bars;
  sources.prices.follow(`${date} ${panels.price.symbol} ${bars} ${fills}`);
  sources.decisions.follow(`${date} ${fills}`);
  sources.trips.follow(`${date} ${fills}`);
  sources.health.follow(at.slice(0, "2025-10-07T13:30".length));
  for (const name of ONCE_A_SESSION) sources[name].follow(`${date} ${phase} ${state.measuredSession}`);
}

function tellTroubles({ killed, phase, no_entries: reasons, findings }) {
  const stopped = phase !== "over" && reasons.length > 0;
  const words = `${killed ? "The kill switch was thrown. " : ""}Nothing is bought now: ${reasons.join("; ")}.`;
  notice("entries", killed ? "bad" : "warning", stopped ? words : "");
  const found = findings.filter((one) => one.severity !== "normal");
  const tone = found.some((one) => one.severity === "critical") ? "bad" : "warning";
  notice("health", tone, found.length > 0 ? `Health: ${found.map((one) => one.words).join("; ")}.` : "");
}

// A database without a session

async function showDayOnRecord(days, curve) {
  if (state.view !== null) return;
  const date = curve.session_date;
  sources.insights.follow(state.chosenSession ?? state.measuredSession);
  showRecord(state.server, date);
  if (date === null) {
    showNoDay();
    return;
  }
  const [{ metrics }, held, refusals] = await Promise.all([
    get(`api/sessions/${date}`),
    get("api/positions"),
    get("api/denials", { session: date }),
  ]);
  if (state.view !== null) return; // a session began meanwhile
  showDay(days.find((row) => row.session_date === date) ?? unfinished(curve), metrics);
  panels.positions.showRecord(held.rows);
  const symbols = panels.watchlist.showRecord(refusals.rows);
  if (!panels.price.symbol) chooseSymbol(symbols[0]);
}

/** What the minutes of a session tell that was never measured: it runs elsewhere, or broke off. */
function unfinished({ rows }) {
  const [, equity, pnl] = rows.at(-1) ?? [];
  return { equity_usd: equity, pnl_usd: pnl };
}

function refreshRecord() {
  if (state.server === null || state.view !== null) return;
  for (const name of ON_RECORD) sources[name].refresh();
}

// Choices

function chooseSession(date) {
  panels.trips.choose(date);
  if (state.view !== null) return;
  state.chosenSession = date;
  panels.decisions.clear();
  refreshRecord();
}

function chooseSymbol(symbol) {
  if (!symbol) return;
  panels.price.choose(symbol);
  panels.watchlist.choose(symbol);
  sources.prices.hurry();
}

// The stream

function hear(name, data) {
  if (name === "view") showView(data);
  else if (name === "server") meet(data);
  else if (name === "command") {
    dialog.told(data);
    sources.parameters.refresh();
  }
}

/** A stream begins, perhaps of another program: nothing of before is taken for true. */
function meet(server) {
  state.server = server;
  state.view = null;
  for (const source of Object.values(sources)) source.forget();
  showControls();
  sources.record.refresh();
}

function tellOutcome(told) {
  const isDone = told.state === "done";
  const key = `command ${told.command_id}`;
  notice(
    key,
    isDone ? "good" : "bad",
    `${titleOf(told)}, asked by ${told.who}: ${isDone ? "" : "refused, "}${told.words}`,
  );
  setTimeout(() => notice(key, "", ""), OUTCOME_MS);
}

connect({ hear, changed: showControls, needsToken: () => dialog.askToRead() });
themeSwitch(byId("theme"), repaintCharts);
setInterval(refreshRecord, RECORD_MS);
setInterval(() => sources.log.refresh(), LOG_MS);
