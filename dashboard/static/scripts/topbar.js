// The bar on top: which account and with what money, the session's clock, and whether everything is well.

import { byId, setAttribute, setText } from "./dom.js";
import { clock, clockMinutes, counted, day, dayAt, duration, words } from "./format.js";

const CONNECTION = {
  // state of the broker's connection -> tone, words
  ready: ["good", "connected"],
  syncing: ["warning", "reconciling"],
  connecting: ["warning", "connecting"],
  watching: ["warning", "watching only"],
  degraded: ["warning", "degraded"],
  disconnected: ["bad", "disconnected"],
  halted: ["bad", "halted"],
};
const HEALTH = { normal: ["good", "normal"], warning: ["warning", "warning"], critical: ["bad", "critical"] };

/** A sign of the bar: a tone, which gives shape and colour, and words. */
export function sign(id, tone, said, title = "") {
  const element = byId(id);
  setAttribute(element, "data-tone", tone);
  setAttribute(element, "title", title);
  setText(element.querySelector(".sign-words"), said);
}

export function showMode(mode, account) {
  document.documentElement.dataset.mode = mode;
  setText(byId("mode"), mode.toUpperCase());
  setText(byId("account"), account);
}

/** The bar of a running session. */
export function showSession(view) {
  showMode(view.mode, view.account.account_id);
  setText(byId("clock"), clock(view.at));
  setText(byId("session-words"), `${dayAt(view.at)} · ${phaseWords(view)}`);
  showTrack(view);
  sign("sign-broker", ...brokerWords(view));
  sign(
    "sign-health",
    ...(HEALTH[view.health] ?? ["unknown", view.health]),
    view.findings.map((one) => one.words).join("\n"),
  );
  sign("sign-entries", ...entriesWords(view));
  document.title = `${clockMinutes(view.at)} ${view.mode} · Day trader`;
}

/** The bar over a database, while no session runs. */
export function showRecord(server, date) {
  showMode(server.mode, server.db);
  setText(byId("clock"), date ? day(date) : "no session");
  setText(byId("session-words"), date ? "on record" : "nothing on record yet");
  setAttribute(byId("session-track"), "hidden", true);
  for (const id of ["sign-broker", "sign-health", "sign-entries"]) sign(id, "unknown", "no session runs");
  document.title = `${date ?? "nothing"} on record, ${server.mode} · ${words(server.bot)}`;
}

function brokerWords({ connection, reconnects }) {
  const [tone, state] = CONNECTION[connection] ?? ["unknown", connection];
  return [tone, reconnects > 0 ? `${state}, ${counted(reconnects, "reconnect")}` : state];
}

function entriesWords({ killed, no_entries: reasons, phase }) {
  if (phase === "over") return ["unknown", "session over"];
  if (killed) return ["bad", "kill switch", reasons.join("\n")];
  return reasons.length > 0 ? ["warning", "stopped", reasons.join("\n")] : ["good", "on"];
}

function phaseWords({ phase, at, opens_at: opens, eod_at: eod, closes_at: closes }) {
  const left = (until) => duration((Date.parse(until) - Date.parse(at)) / 1000);
  if (phase === "before_open") return `opens in ${left(opens)}`;
  if (phase === "over" || Date.parse(at) >= Date.parse(closes)) return "session over";
  return phase === "closing" ? `closing, ${left(closes)} left` : `${left(eod)} to exits`;
}

function showTrack({ at, opens_at: opens, eod_at: eod, closes_at: closes }) {
  const [start, end] = [Date.parse(opens), Date.parse(closes)];
  const share = (moment) => Math.min(1, Math.max(0, (Date.parse(moment) - start) / (end - start)));
  const track = byId("session-track");
  track.removeAttribute("hidden");
  track.style.setProperty("--done", share(at).toFixed(4));
  track.style.setProperty("--eod", share(eod).toFixed(4));
  setAttribute(
    track,
    "aria-label",
    `Session from ${clockMinutes(opens)} to ${clockMinutes(closes)}, exits at ${clockMinutes(eod)}`,
  );
}
