// What an operator must not miss, in words under the bar: why nothing is bought, that the page is stale, what failed.

import { byId, h, keep, setAttribute, setText } from "./dom.js";

const notices = new Map(); // key -> {tone, words}; shown in the order of their coming

/** Show `words` under `key`; empty words take the notice away. */
export function notice(key, tone, words) {
  if (words) notices.set(key, { key, tone, words });
  else notices.delete(key);
  keep(byId("notices"), [...notices.values()], (one) => one.key, make);
}

function make({ key }) {
  const element = h("p", { class: "notice", "data-notice": key });
  element.update = ({ tone, words }) => {
    setAttribute(element, "data-tone", tone);
    setText(element, words);
  };
  return element;
}
