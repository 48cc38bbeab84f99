// Months of sessions: the deeper the colour, the larger the result; losses are striped, and every day has its number.

import { byId, fill, h, setText, showEmpty } from "./dom.js";
import { counted, day, signed } from "./format.js";

const MONTH = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri"];
const KEYS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -WEEKDAYS.length, ArrowDown: WEEKDAYS.length };

/** `choose(date)` shows the session. */
export function calendarPanel(choose) {
  const [section, grid] = [byId("calendar"), byId("calendar-grid")];

  grid.addEventListener("keydown", (event) => {
    const days = [...grid.querySelectorAll("button")];
    const next = days[days.indexOf(event.target) + (KEYS[event.key] ?? NaN)];
    if (next === undefined) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  return {
    load(sessions) {
      const most = Math.max(1, ...sessions.map((row) => Math.abs(row.pnl_usd ?? 0)));
      const months = Map.groupBy(sessions, (row) => row.session_date.slice(0, 7));
      fill(grid, [...months], ([month, rows]) => monthTable(month, rows, most, choose));
      const days = [...grid.querySelectorAll("button")];
      if (days.every((button) => button.tabIndex < 0)) {
        days.at(-1)?.setAttribute("tabindex", "0");
        grid.scrollTop = grid.scrollHeight;
      }
      setText(byId("calendar-words"), sessions.length ? totals(sessions) : "");
      showEmpty(section, sessions.length === 0);
    },
  };
}

function totals(sessions) {
  const won = sessions.filter((row) => row.pnl_usd > 0).length;
  const sum = sessions.reduce((total, row) => total + (row.pnl_usd ?? 0), 0);
  return `${counted(sessions.length, "session")}, ${won} won, ${signed(sum, 0)}`;
}

function monthTable(month, rows, most, choose) {
  const first = new Date(`${month}-01T00:00:00Z`);
  const byDate = new Map(rows.map((row) => [row.session_date, row]));
  return h(
    "table",
    { class: "month" },
    h("caption", {}, MONTH.format(first)),
    h("thead", {}, h("tr", {}, ...WEEKDAYS.map((name) => h("th", { scope: "col", abbr: name }, name)))),
    h(
      "tbody",
      {},
      ...weeksOf(first).map((week) => h("tr", {}, ...week.map((date) => cell(date, byDate.get(date), most, choose)))),
    ),
  );
}

/** The working days of a month by weeks, "YYYY-MM-DD" or null for those of its neighbours. */
function weeksOf(first) {
  const weeks = [];
  for (
    const date = new Date(first);
    date.getUTCMonth() === first.getUTCMonth();
    date.setUTCDate(date.getUTCDate() + 1)
  ) {
    const weekday = date.getUTCDay() - 1;
    if (weekday < 0 || weekday >= WEEKDAYS.length) continue;
    if (weekday === 0 || weeks.length === 0) weeks.push(WEEKDAYS.map(() => null));
    weeks.at(-1)[weekday] = date.toISOString().slice(0, 10);
  }
  return weeks;
}

function cell(date, row, most, choose) {
  if (date === null) return h("td", {});
  const dayOfMonth = String(Number(date.slice(8)));
  if (row === undefined) return h("td", { class: "no-session" }, dayOfMonth);
  const words = `${day(date)}: ${signed(row.pnl_usd)} USD, ${counted(row.round_trips, "round trip")}`;
  const button = h(
    "button",
    {
      type: "button",
      tabindex: -1,
      "aria-label": words,
      title: words,
      "data-date": date,
      class: row.pnl_usd < 0 ? "lost" : "won",
      onclick: () => choose(date),
    },
    dayOfMonth,
  );
  button.style.setProperty("--heat", (0.25 + 0.75 * Math.sqrt(Math.abs(row.pnl_usd ?? 0) / most)).toFixed(3));
  return h("td", {}, button);
}
