// The last lines of the program's log. The view stays at the end while it is there.

import { byId, h, onFilter, showEmpty } from "./dom.js";

const LEVEL = /^\S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) /;
const SHOWN_AS = { WARNING: "warning", ERROR: "error", CRITICAL: "error" };

export function logPanel() {
  const [section, scroll, list] = [byId("log"), byId("log-scroll"), byId("log-lines")];
  let lines = [];
  let filter = "all";

  onFilter(byId("log-filter"), (picked) => {
    filter = picked;
    draw();
  });

  function draw() {
    const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 24;
    const told = levelled(lines).filter(({ level }) => filter === "all" || level);
    list.replaceChildren(...told.map(({ text, level }) => h("li", { "data-level": level }, text)));
    showEmpty(section, told.length === 0);
    if (isAtEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  return {
    load(answer) {
      if (answer.lines.join("\n") === lines.join("\n")) return;
      lines = answer.lines;
      draw();
    },
  };
}

/** Each line with the level that colours it; a trace has that of the line above. */
function levelled(lines) {
  let level;
  return lines.map((text) => {
    const found = LEVEL.exec(text);
    if (found) level = SHOWN_AS[found[1]];
    return { text, level };
  });
}
