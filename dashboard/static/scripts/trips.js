// Round trips of all sessions: filters, order and pages are the server's work, so that a million of them are no load.

import { Refused, get, getFile } from "./api.js";
import { byId, fill, h, setAttribute, setText, showEmpty } from "./dom.js";
import { clock, day, duration, number, price, side, signed, usd } from "./format.js";
import { exitWords } from "./reasons.js";

const PAGE = 12;
const FILE = "round-trips.csv";
const REASONS = ["profit_target", "stop_loss", "time_exit", "eod", "sync", "manual"];
const RESULTS = { win: "won", loss: "lost" };
const COLUMNS = [
  // heading, what the server sorts by, class, cell
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

export class TripsPanel {
  #section = byId("trips");
  #form = byId("trips-filter");
  #body = byId("trips-table").tBodies[0];
  #words = byId("trips-words");
  #heads = COLUMNS.map((column) => this.#head(column));
  #newer = pagerButton("Previous page", () => this.#turn(-1));
  #older = pagerButton("Next page", () => this.#turn(1));
  #place = h("span");
  #sort = "closed_at";
  #order = "desc";
  #cursors = [null]; // of each page up to the present one
  #next = null;

  constructor() {
    this.#form.append(...filterFields());
    this.#form.addEventListener("input", () => this.#restart());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    byId("trips-table").tHead.rows[0].append(...this.#heads);
    byId("trips-pager").append(this.#place, this.#newer, this.#older);
    byId("trips-csv").addEventListener("click", (event) => this.#download(event));
  }

  async load() {
    const asked = this.#question();
    const answer = await get("api/round-trips", asked);
    if (JSON.stringify(asked) !== JSON.stringify(this.#question())) return; // something else is wanted meanwhile
    this.#next = answer.next;
    this.#draw(answer.rows);
  }

  /** Only the round trips of one session. */
  choose(date) {
    this.#form.elements.first.value = date;
    this.#form.elements.last.value = date;
    this.#restart();
  }

  #filters() {
    return Object.fromEntries(new FormData(this.#form));
  }

  #question() {
    return { ...this.#filters(), sort: this.#sort, order: this.#order, limit: PAGE, after: this.#cursors.at(-1) };
  }

  #restart() {
    this.#cursors = [null];
    this.#ask();
  }

  #turn(step) {
    if (step > 0) this.#cursors.push(this.#next);
    else this.#cursors.pop();
    this.#ask();
  }

  #sortBy(key) {
    this.#order = this.#sort === key && this.#order === "desc" ? "asc" : "desc";
    this.#sort = key;
    this.#restart();
  }

  #ask() {
    this.#unlessRefused(() => this.load());
  }

  #draw(rows) {
    const isFiltered = Object.values(this.#filters()).some((value) => value !== "");
    const first = PAGE * (this.#cursors.length - 1) + 1;
    fill(this.#body, rows, line);
    this.#heads.forEach((head, index) => setAttribute(head, "aria-sort", this.#sortOf(COLUMNS[index][1])));
    setText(this.#place, rows.length ? `${number(first)} to ${number(first + rows.length - 1)}` : "");
    setText(this.#words, rows.length === 0 && isFiltered ? "no round trip fits the filter" : "");
    this.#newer.disabled = this.#cursors.length === 1;
    this.#older.disabled = this.#next === null;
    showEmpty(this.#section, rows.length === 0 && !isFiltered);
  }

  #sortOf(key) {
    if (key !== this.#sort) return null;
    return this.#order === "desc" ? "descending" : "ascending";
  }

  /** With the token in the header, which a plain link could not send. */
  #download(event) {
    event.preventDefault();
    this.#unlessRefused(async () => {
      const link = h("a", {
        href: URL.createObjectURL(await getFile("api/round-trips.csv", this.#filters())),
        download: FILE,
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
    });
  }

  async #unlessRefused(ask) {
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setText(this.#words, error.message);
    }
  }

  #head([name, key, style]) {
    const press = () => this.#sortBy(key);
    return h(
      "th",
      { scope: "col", class: style || null },
      key ? h("button", { type: "button", onclick: press }, name) : name,
    );
  }
}

function line(row) {
  return h("tr", {}, ...COLUMNS.map(([, , style, cell]) => h("td", { class: style || null }, cell(row))));
}

function pagerButton(name, press) {
  return h("button", { type: "button", class: "button small", onclick: press }, name);
}

function filterFields() {
  const field = (label, control) => h("label", { class: "field" }, h("span", {}, label), control);
  const option = ([value, words]) => h("option", { value }, words);
  const choice = (name, pairs) => h("select", { name }, ...[["", "any"], ...pairs].map(option));
  return [
    field("Symbol", h("input", { name: "symbol", size: 8, maxlength: 12, autocomplete: "off", spellcheck: "false" })),
    field("From", h("input", { name: "first", type: "date" })),
    field("To", h("input", { name: "last", type: "date" })),
    field(
      "Exit",
      choice(
        "exit_reason",
        REASONS.map((reason) => [reason, exitWords(reason)]),
      ),
    ),
    field("Result", choice("result", Object.entries(RESULTS))),
  ];
}
