// The buttons that command: which of them can be pressed now, and what they begin.

import { isStale } from "./connection.js";
import { byId, setText } from "./dom.js";
import { state } from "./state.js";

/** What the server takes from here, while it is heard. */
export function allowedKinds() {
  const { server } = state;
  return server?.control && !isStale() ? server.kinds : [];
}

/** Wire the buttons of the bar; `begin(kind)` opens the dialog. Returns what shows their present state. */
export function barControls(begin) {
  const [pause, flatten, kill] = ["pause", "flatten", "kill"].map(byId);
  let pauseKind = "pause";
  pause.addEventListener("click", () => begin(pauseKind));
  flatten.addEventListener("click", () => begin("flatten"));
  kill.addEventListener("click", () => begin("kill"));

  return () => {
    const { view } = state;
    const kinds = view !== null && view.phase !== "over" ? allowedKinds() : [];
    pauseKind = view?.held_by_operator ? "resume" : "pause";
    setText(pause, pauseKind === "resume" ? "Resume entries" : "Pause entries");
    pause.classList.toggle("active", pauseKind === "resume");
    pause.disabled = !kinds.includes(pauseKind);
    flatten.disabled = !kinds.includes("flatten");
    kill.disabled = !kinds.includes("kill") || view.killed;
  };
}
