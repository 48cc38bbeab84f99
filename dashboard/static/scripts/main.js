// The page: who listens to what. The stream brings the session, sources bring the rest when it may have changed.

import { get } from "./api.js";
import { calendarPanel } from "./calendar.js";
import { repaintCharts } from "./charts.js";
import { commandDialog, titleOf } from "./commands.js";
import { decisionsPanel, fromRecord } from "./decisions.js";
import { byId, setText } from "./dom.js";
import { equityPanel } from "./equity.js";
import { experimentsPanel } from "./experiments.js";
import { showDay, showFigures, showNoDay } from "./figures.js";
import { clock } from "./format.js";
import { healthPanel } from "./health.js";
import { insightsPanel } from "./insights.js";
import { limitsPanel } from "./limits.js";
import { logPanel } from "./log.js";
import { notice } from "./notices.js";
import { parametersPanel } from "./parameters.js";
import { positionsPanel } from "./positions.js";
import { pricePanel } from "./price.js";
import { Source } from "./sources.js";
import { follow } from "./stream.js";
import { themeSwitch } from "./theme.js";
import { showRecord, showSession, sign } from "./topbar.js";
import { tripsPanel } from "./trips.js";
import { watchlistPanel } from "./watchlist.js";

const RECORD_MS = 10_000; // how often a database is asked again while no session runs
const VIEW_FOLLOWS_MS = 500; // a server that has a session tells it right after itself
const LOG_MS = 3_000;
const SILENT_LOOP_MS = 30_000; // a trading session publishes every few seconds

let server = null;
let view = null; // of the running session; null while none runs
let chosenSession; // of the calendar, while no session runs; undefined is the latest
let heardAt = Date.now();

const dialog = commandDialog(tellOutcome);
const price = pricePanel();
const equity = equityPanel();
const positions = positionsPanel(chooseSymbol, (symbol) => dialog.begin("close", symbol));
const watchlist = watchlistPanel(chooseSymbol);
const decisions = decisionsPanel();
const limits = limitsPanel();
const trips = tripsPanel();
const calendar = calendarPanel(chooseSession);
const health = healthPanel();
const parameters = parametersPanel((kind) => dialog.begin(kind));
const experiments = experimentsPanel((kind) => dialog.begin(kind));
const insights = insightsPanel();
const log = logPanel();

/** The session that is looked at: the running one, or the calendar's choice; undefined is the latest on record. */
const session = () => view?.session_date ?? chosenSession;

const sources = {
  sessions: source("calendar", async () => {
    const [{ rows }, curve] = await Promise.all([get("api/sessions"), get("api/equity", { session: session() })]);
    calendar.load(rows);
    equity.load(curve);
    if (view === null) await showDayOnRecord(rows, curve);
  }),
  price: source("prices", async () => {
    if (price.symbol) await price.load(price.symbol, session());
    if (view) price.show(view);
  }),
  decisions: source("decisions", async () => {
    const [{ rows }, trades] = await Promise.all([
      get("api/decisions", { session: session(), limit: 200 }),
      get("api/trades", { session: session(), limit: 200 }),
    ]);
    decisions.add(rows.map(fromRecord));
    decisions.addTrades(trades.rows.filter((trade) => trade.action === "SELL"));
  }),
  trips: source("round trips", () => trips.load()),
  health: source("health", async () => health.load((await get("api/health", { session: session() })).rows)),
  parameters: source("parameters", async () => parameters.load(await get("api/parameters"))),
  experiments: source("experiments", async () => experiments.load((await get("api/experiments")).rows)),
  insights: source("insights", async () => insights.load(await get("api/insights", { session: session() }))),
  cost: source("costs", async () => insights.loadCost(await get("api/llm"))),
  log: source("log", async () => log.load(await get("api/log", { lines: 300 }))),
};

function source(name, load) {
  return new Source(load, (words) => notice(`source ${name}`, "bad", words && `The ${name} could not be had: ${words}.`));
}

// A running session

function showView(newer) {
  const isFirst = view?.session_date !== newer.session_date;
  if (isFirst) decisions.clear();
  view = newer;
  heardAt = Date.now();
  showSession(view);
  showFigures(view);
  positions.show(view, isAllowed("close"));
  decisions.add(view.decisions);
  limits.show(view);
  health.warn(view.warnings);
  if (isFirst || !price.symbol) chooseSymbol(price.symbol || (view.positions[0] ?? view.watchlist[0])?.symbol);
  watchlist.show(view.watchlist);
  price.show(view);
  if (!isFirst) equity.show(view);
  showControls();
  tellTroubles();
  askWhatChanged();
}

/** Each source hears of what it depends on. */
function askWhatChanged() {
  const { session_date: date, phase, n_fills: fills, at } = view;
  const minute = at.slice(0, 16);
  const bars = view.watchlist.find((row) => row.symbol === price.symbol)?.bars;
  sources.price.follow(`${date} ${price.symbol} ${bars} ${fills}`);
  sources.decisions.follow(`${date} ${fills}`);
  sources.trips.follow(`${date} ${fills}`);
  sources.health.follow(minute);
  for (const slow of ["sessions", "parameters", "experiments", "insights", "cost"]) sources[slow].follow(`${date} ${phase}`);
}

function tellTroubles() {
  const killed = view.killed ? "The kill switch was thrown. " : "";
  const reasons = view.phase === "over" ? "" : view.no_entries.join("; ");
  notice("entries", view.killed ? "bad" : "warning", reasons && `${killed}Nothing is bought now: ${reasons}.`);
  const findings = view.findings.filter((one) => one.severity !== "normal");
  notice("health", findings.some((one) => one.severity === "critical") ? "bad" : "warning", findings.map((one) => one.words).join("; "));
}

// A database without a session

async function showDayOnRecord(days, curve) {
  const date = curve.session_date;
  showRecord(server, date);
  if (date === null) return showNoDay();
  const day = days.find((row) => row.session_date === date) ?? unfinished(curve);
  const [{ metrics }, held, refusals] = await Promise.all([
    get(`api/sessions/${date}`),
    get("api/positions"),
    get("api/denials", { session: date }),
  ]);
  if (view !== null) return undefined; // a session began meanwhile
  showDay(day, metrics);
  positions.showRecord(held.rows);
  const symbols = watchlist.showRecord(refusals.rows);
  if (!price.symbol && symbols.length > 0) chooseSymbol(symbols[0]);
  return undefined;
}

/** What the minutes of a session tell that was never measured: it runs elsewhere, or broke off. */
function unfinished({ rows }) {
  const [, equity, pnl] = rows.at(-1) ?? [];
  return { equity_usd: equity, pnl_usd: pnl };
}

function refreshRecord() {
  if (server === null || view !== null) return;
  for (const each of Object.values(sources)) each.refresh();
}

function chooseSession(date) {
  trips.choose(date);
  if (view !== null) return;
  chosenSession = date;
  decisions.clear();
  refreshRecord();
}

function chooseSymbol(symbol) {
  if (!symbol) return;
  price.load(symbol, session()).then(
    () => view && price.show(view),
    (error) => notice("source prices", "bad", `The prices could not be had: ${error.message}.`),
  );
  watchlist.choose(symbol);
}

// Controls

function isAllowed(kind) {
  return server !== null && server.control && server.kinds.includes(kind) && !document.documentElement.hasAttribute("data-stale");
}

function showControls() {
  const runs = view !== null && view.phase !== "over";
  const pause = byId("pause");
  const kind = view?.held_by_operator ? "resume" : "pause";
  setText(pause, kind === "resume" ? "Resume entries" : "Pause entries");
  pause.dataset.kind = kind;
  pause.classList.toggle("active", kind === "resume");
  pause.disabled = !(runs && isAllowed(kind));
  byId("flatten").disabled = !(runs && isAllowed("flatten"));
  byId("kill").disabled = !(runs && isAllowed("kill")) || view.killed;
  const besides = server?.kinds.filter(isAllowed) ?? [];
  parameters.allow(besides);
  experiments.allow(besides);
}

function tellOutcome(state) {
  const words = `${titleOf(state)}, asked by ${state.who}: ${state.state === "done" ? state.words : `refused, ${state.words}`}`;
  notice(`command ${state.command_id}`, state.state === "done" ? "good" : "bad", words);
  setTimeout(() => notice(`command ${state.command_id}`, "", ""), 15_000);
}

// The stream

function hear(name, data) {
  heardAt = Date.now();
  if (name === "view") showView(data);
  else if (name === "command") {
    dialog.told(data);
    sources.parameters.refresh();
  } else if (name === "server") {
    server = data;
    view = null; // the view of a running session follows at once
    showControls();
    setTimeout(refreshRecord, VIEW_FOLLOWS_MS);
  }
}

function beFresh() {
  document.documentElement.removeAttribute("data-stale");
  sign("sign-page", "good", "live");
  notice("page", "", "");
  showControls();
}

function beStale(words) {
  if (!document.documentElement.hasAttribute("data-stale")) {
    document.documentElement.setAttribute("data-stale", "");
    const since = new Date().toLocaleTimeString("en-GB");
    const shown = view ? ` What you see is of ${clock(view.at)} New York.` : "";
    sign("sign-page", "bad", `stale since ${since}`);
    notice("page", "bad", `${words} since ${since} (your clock).${shown} Orders that rest at the broker stay there. Trying again…`);
  }
  showControls();
}

follow("api/stream", {
  open: beFresh,
  event: hear,
  lost(status) {
    if (status === 401) dialog.askToRead(() => {});
    beStale(status === 0 ? "The program is not heard" : `The program refuses to tell (status ${status})`);
  },
});

for (const id of ["flatten", "kill"]) byId(id).addEventListener("click", () => dialog.begin(id));
byId("pause").addEventListener("click", (event) => dialog.begin(event.currentTarget.dataset.kind));
themeSwitch(byId("theme"), repaintCharts);

setInterval(refreshRecord, RECORD_MS);
setInterval(() => sources.log.refresh(), LOG_MS);
setInterval(() => {
  const isTrading = view !== null && (view.phase === "trading" || view.phase === "closing");
  const isSilent = isTrading && Date.now() - heardAt > SILENT_LOOP_MS;
  const stale = document.documentElement.hasAttribute("data-stale");
  if (!stale) sign("sign-page", isSilent ? "warning" : "good", isSilent ? "live, but the trading loop is silent" : "live");
}, 1_000);
