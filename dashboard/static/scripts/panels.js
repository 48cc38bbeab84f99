// All panels of the page, made once, and where each gets what the stream does not carry.

import { get } from "./api.js";
import { calendarPanel } from "./calendar.js";
import { decisionsPanel, fromRecord } from "./decisions.js";
import { EquityPanel } from "./equity.js";
import { experimentsPanel } from "./experiments.js";
import { healthPanel } from "./health.js";
import { insightsPanel } from "./insights.js";
import { limitsPanel } from "./limits.js";
import { logPanel } from "./log.js";
import { notice } from "./notices.js";
import { parametersPanel } from "./parameters.js";
import { positionsPanel } from "./positions.js";
import { PricePanel } from "./price.js";
import { Source } from "./sources.js";
import { session, state } from "./state.js";
import { TripsPanel } from "./trips.js";
import { watchlistPanel } from "./watchlist.js";

const [MOST_DECISIONS, MOST_LINES] = [200, 300];

/** `on.symbol(symbol)`, `on.session(date)` are told choices, `on.command(kind, symbol)` what is to be commanded. */
export function makePanels(on) {
  return {
    price: new PricePanel(),
    equity: new EquityPanel(),
    positions: positionsPanel(on.symbol, (symbol) => on.command("close", symbol)),
    watchlist: watchlistPanel(on.symbol),
    decisions: decisionsPanel(),
    limits: limitsPanel(),
    trips: new TripsPanel(),
    calendar: calendarPanel(on.session),
    health: healthPanel(),
    parameters: parametersPanel(on.command),
    experiments: experimentsPanel(on.command),
    insights: insightsPanel(),
    log: logPanel(),
  };
}

/**
 * Name -> source. `on.days(rows, curve)` is told the sessions on record and the curve of the one that is looked at,
 * `on.noSession()` that none runs.
 */
export function makeSources(panels, on) {
  const loads = {
    async record() {
      if ((await get("api/state")).view === null) on.noSession();
    },
    async sessions() {
      const [{ rows }, curve] = await Promise.all([get("api/sessions"), get("api/equity", { session: session() })]);
      state.measuredSession = rows.at(-1)?.session_date;
      panels.calendar.load(rows);
      panels.equity.load(curve);
      if (state.view) panels.equity.show(state.view); // it knows every instant, the database every minute
      await on.days(rows, curve);
    },
    async prices() {
      if (panels.price.symbol) await panels.price.load(session());
      if (state.view) panels.price.show(state.view);
    },
    async decisions() {
      const asked = { session: session(), limit: MOST_DECISIONS };
      const [{ rows }, trades] = await Promise.all([get("api/decisions", asked), get("api/trades", asked)]);
      panels.decisions.add(rows.map(fromRecord));
      panels.decisions.addTrades(trades.rows.filter((trade) => trade.action === "SELL"));
    },
    async health() {
      panels.health.load((await get("api/health", { session: session() })).rows);
    },
    async parameters() {
      panels.parameters.load(await get("api/parameters"));
    },
    async experiments() {
      panels.experiments.load((await get("api/experiments")).rows);
    },
    async insights() {
      panels.insights.load(await get("api/insights", { session: state.chosenSession ?? state.measuredSession }));
    },
    async cost() {
      panels.insights.loadCost(await get("api/llm"));
    },
    async log() {
      panels.log.load(await get("api/log", { lines: MOST_LINES }));
    },
    trips: () => panels.trips.load(),
  };
  return Object.fromEntries(Object.entries(loads).map(([name, load]) => [name, new Source(load, tellFailure(name))]));
}

function tellFailure(name) {
  return (words) => notice(`source ${name}`, "bad", words && `The ${name} could not be had: ${words}.`);
}
