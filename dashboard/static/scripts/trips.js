// Round trips of all sessions: filters, order and pages are the server's work, so that a million of them are no load.

import { Refused, get, getFile } from "./api.js";
import { byId, fill, h, setAttribute, setText, showEmpty } from "./dom.js";
import { clock, day, duration, number, price, side, signed, usd } from "./format.js";
import { exitWords } from "./reasons.js";

const PAGE = 12;
const REASONS = ["profit_target", "stop_loss", "time_exit", "eod", "sync", "manual"];
const COLUMNS = [ // heading, what the server sorts by, class, cell
  ["Session", null, "", (row) => day(row.session_date)],
  ["Symbol", null, "", (row) => h("strong", {}, row.symbol)],
  ["Shares", null, "number minor", (row) => number(row.quantity)],
  ["Opened", null, "number minor", (row) => clock(row.opened_at)],
  ["Entry price", null, "number minor", (row) => price(row.avg_entry_price_usd)],
  ["Closed", "closed_at", "number minor", (row) => clock(row.closed_at)],
  ["Exit price", null, "number minor", (row) => price(row.avg_exit_price_usd)],
  ["Held", null, "number minor", (row) => duration(row.duration_s)],
  ["Exit by", null, "", (row) => exitWords(row.exit_reason)],
  ["Fees", null, "number minor", (row) => usd(row.commission_usd)],
  ["Result", "pnl_usd", "number", (row) => h("span", { class: side(row.pnl_usd) }, signed(row.pnl_usd))],
];

export function tripsPanel() {
  const [section, form, table] = [byId("trips"), byId("trips-filter"), byId("trips-table")];
  let sort = "closed_at";
  let order = "desc";
  let cursors = [null]; // of each page up to the present one
  let next = null;

  form.append(...filterFields());
  form.addEventListener("input", () => restart());
  form.addEventListener("submit", (event) => event.preventDefault());
  const heads = COLUMNS.map(([name, key, style]) => head(name, key, style, sortBy));
  table.tHead.rows[0].append(...heads);
  const [newer, older] = [pagerButton("Previous page", () => turn(-1)), pagerButton("Next page", () => turn(1))];
  const place = h("span", {});
  byId("trips-pager").append(place, newer, older);
  byId("trips-csv").addEventListener("click", download);

  const filters = () => Object.fromEntries(new FormData(form));
  const question = () => ({ ...filters(), sort, order });

  function sortBy(key) {
    order = sort === key && order === "desc" ? "asc" : "desc";
    sort = key;
    restart();
  }

  function restart() {
    cursors = [null];
    load();
  }

  function turn(step) {
    if (step > 0) cursors.push(next);
    else cursors.pop();
    load();
  }

  async function load() {
    const asked = { ...question(), limit: PAGE, after: cursors.at(-1) };
    const answer = await get("api/round-trips", asked);
    if (asked.after !== cursors.at(-1) || JSON.stringify(question()) !== JSON.stringify(pick(asked))) return; // overtaken
    next = answer.next;
    draw(answer.rows);
  }

  function draw(rows) {
    fill(table.tBodies[0], rows, line);
    heads.forEach((element, index) => {
      const isSorted = COLUMNS[index][1] === sort;
      setAttribute(element, "aria-sort", isSorted ? { desc: "descending", asc: "ascending" }[order] : null);
    });
    const first = PAGE * (cursors.length - 1) + 1;
    setText(place, rows.length ? `${number(first)} to ${number(first + rows.length - 1)}` : "");
    newer.disabled = cursors.length === 1;
    older.disabled = next === null;
    setText(byId("trips-words"), rows.length === 0 && isFiltered() ? "no round trip fits the filter" : "");
    showEmpty(section, rows.length === 0 && !isFiltered());
  }

  function isFiltered() {
    return Object.values(filters()).some((value) => value !== "");
  }

  /** With the token in the header, which a plain link could not send. */
  async function download(event) {
    event.preventDefault();
    try {
      const link = h("a", { href: URL.createObjectURL(await getFile("api/round-trips.csv", filters())), download: "round-trips.csv" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setText(byId("trips-words"), `the file could not be had: ${error.message}`);
    }
  }

  return {
    load,
    /** Only the round trips of one session. */
    choose(date) {
      form.elements.first.value = form.elements.last.value = date;
      restart();
    },
  };
}

function pick({ limit, after, ...question }) {
  return question;
}

function line(row) {
  return h("tr", { "data-trip": `${row.symbol} ${row.closed_at}` }, ...COLUMNS.map(([, , style, cell]) => h("td", { class: style || null }, cell(row))));
}

function head(name, key, style, sortBy) {
  const content = key ? h("button", { type: "button", onclick: () => sortBy(key) }, name) : name;
  return h("th", { scope: "col", class: style || null }, content);
}

function pagerButton(name, press) {
  return h("button", { type: "button", class: "button small", onclick: press }, name);
}

function filterFields() {
  const field = (label, control) => h("label", { class: "field" }, h("span", {}, label), control);
  const options = (...pairs) => pairs.map(([value, text]) => h("option", { value }, text));
  return [
    field("Symbol", h("input", { name: "symbol", size: 8, maxlength: 12, autocomplete: "off", spellcheck: "false" })),
    field("From", h("input", { name: "first", type: "date" })),
    field("To", h("input", { name: "last", type: "date" })),
    field("Exit", h("select", { name: "exit_reason" }, options(["", "any"], ...REASONS.map((one) => [one, exitWords(one)])))),
    field("Result", h("select", { name: "result" }, options(["", "any"], ["win", "won"], ["loss", "lost"]))),
  ];
}
