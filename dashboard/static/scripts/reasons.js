// Decisions in a trader's words. A rule's limit and what was found share its unit (Documentation/RISK_RULES.md).

import { duration, isKnown, number, percent, price, usd, words } from "./format.js";

const REFUSALS = {
  // rule -> why nothing was bought
  no_price: () => "no price yet",
  warming_up: (limit, actual) => `warming up, ${number(actual)} of ${number(limit)} bars`,
  atr_not_above_floor: (limit, actual) => `ATR ${percent(actual)} is not above ${percent(limit)}`,
  not_above_vwap: (limit, actual) => `${price(actual)} is not above VWAP ${price(limit)}`,
  rsi_not_below_cap: (limit, actual) => `RSI ${number(actual, 1)} is not below ${number(limit, 1)}`,
  position_open: (limit, actual) => `${number(actual)} shares are held already`,
  entry_pending: () => "an entry is on its way",
  entries_stopped: () => "entries are stopped",
  daily_loss: (limit, actual) => `the day's loss of ${usd(actual)} reached ${usd(limit)}`,
  drawdown: (limit, actual) => `the drawdown of ${usd(actual)} reached ${usd(limit)}`,
  last_minutes: (limit, actual) => `${duration(actual)} to the close, the last ${duration(limit)} have no entries`,
  loss_streak_pause: (limit, actual) => `pause after losses in a row, ${duration(actual)} left`,
  cool_down: (limit, actual) => `sold ${duration(actual)} ago, cools down for ${duration(limit)}`,
  entries_per_session: (limit, actual) => `${number(actual)} of ${number(limit)} entries of the session are used`,
  entries_per_symbol: (limit, actual) => `${number(actual)} of ${number(limit)} entries in this symbol are used`,
  open_positions: (limit, actual) => `${number(actual)} of ${number(limit)} positions are open`,
  entries_per_tick: (limit) => `${number(limit)} entries at this instant already, judged again at the next`,
  rejected_by_broker: () => "the broker refuses this symbol today",
  day_trades: (limit) => `the account has ${number(limit)} day trades left, today's positions may use them`,
  stale_quote: (limit, actual) => `the quote is ${duration(actual)} old, at most ${duration(limit)} allowed`,
  delayed_data: () => "the data is delayed",
  halted: () => "trading is halted",
  spread: (limit, actual) => `a spread of ${number(actual, 1)} bps, at most ${number(limit, 1)} allowed`,
  limit_state: () => "the price is near a limit-up or limit-down band",
  zero_shares: () => "the budget does not pay for one share",
  capital: () => "the allocation is used up",
  round_trip_cost: (limit, actual) =>
    `costs are ${percent(actual, 1)} of the target, at most ${percent(limit, 1)} allowed`,
  buying_power: () => "the account's buying power does not suffice",
  dry_run: () => "dry run: nothing is sent",
};

const SHORT = {
  // rule -> two or three words for the watchlist
  approved: "may be bought",
  atr_not_above_floor: "ATR too low",
  not_above_vwap: "below VWAP",
  rsi_not_below_cap: "RSI too high",
  position_open: "held",
  entry_pending: "buying",
  loss_streak_pause: "loss pause",
  entries_per_symbol: "entries used",
  entries_per_session: "entries used",
  entries_per_tick: "next instant",
  rejected_by_broker: "refused",
  round_trip_cost: "costs too high",
  zero_shares: "budget too small",
};

/** `limit` and `actual` as the database has them. */
export function refusal(rule, limit, actual) {
  const tell = REFUSALS[rule];
  if (tell === undefined || !isKnown(actual) || !isKnown(limit)) return words(rule) || "no reason on record";
  return tell(limit, actual);
}

export const shortReason = (rule) => SHORT[rule] ?? words(rule);
export const exitWords = (reason) => words(reason) || "exit";
