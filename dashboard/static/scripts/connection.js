// Whether the page is heard, and heard from: it says so, and until it is again nothing can be commanded.

import { setAttribute } from "./dom.js";
import { clock } from "./format.js";
import { notice } from "./notices.js";
import { state } from "./state.js";
import { follow } from "./stream.js";
import { sign } from "./topbar.js";

const SILENT_LOOP_MS = 30_000; // a trading session publishes every few seconds

const root = document.documentElement;

export const isStale = () => root.hasAttribute("data-stale");

/** Follow the stream: `hear(name, data)` gets its events, `changed()` is told of each loss and return. */
export function connect({ hear, changed, needsToken }) {
  let heardAt = Date.now();
  follow("api/stream", {
    open() {
      beFresh();
      changed();
    },
    event(name, data) {
      heardAt = Date.now();
      hear(name, data);
    },
    lost(status) {
      if (status === 401) needsToken();
      beStale(status === 0 ? "The program is not heard" : `The program refuses to tell (status ${status})`);
      changed();
    },
  });
  setInterval(() => watchLoop(Date.now() - heardAt), 1_000);
}

function beFresh() {
  setAttribute(root, "data-stale", null);
  sign("sign-page", "good", "live");
  notice("page", "", "");
}

function beStale(words) {
  if (isStale()) return;
  setAttribute(root, "data-stale", "true");
  const since = new Date().toLocaleTimeString("en-GB");
  const shown = state.view ? ` What you see is of ${clock(state.view.at)} New York.` : "";
  sign("sign-page", "bad", `stale since ${since}`);
  notice(
    "page",
    "bad",
    `${words} since ${since} (your clock).${shown} Orders that rest at the broker stay there. Trying again…`,
  );
}

/** The server can be well while the trading loop is not. */
function watchLoop(silentMs) {
  if (isStale()) return;
  const isTrading = state.view?.phase === "trading" || state.view?.phase === "closing";
  if (isTrading && silentMs > SILENT_LOOP_MS) sign("sign-page", "warning", "live, but the trading loop is silent");
  else sign("sign-page", "good", "live");
}
