// The result of the day since the open, and below it how far it is under its best.

import { BaselineSeries, AreaSeries } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { faded, themedChart } from "./charts.js";
import { byId, setText, setAttribute, showEmpty } from "./dom.js";
import { day, signed, signedPercent, usd } from "./format.js";

const dollars = (value) => signed(value, 0);

export function equityPanel() {
  const [host, section, aside] = [byId("equity-chart"), byId("money"), byId("money-words")];
  let result, drawdown;
  let points = []; // [epoch seconds, result, drawdown], oldest first, one a minute and the latest

  const showAll = themedChart(host, {}, (made, now) => {
    result ??= made.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, ...plain() }, 0);
    drawdown ??= made.addSeries(AreaSeries, { invertFilledArea: true, ...plain() }, 1);
    made.panes()[1].setStretchFactor(0.38);
    result.applyOptions({
      topLineColor: now.gain,
      topFillColor1: faded(now.gain, 0.28),
      topFillColor2: faded(now.gain, 0.03),
      bottomLineColor: now.loss,
      bottomFillColor1: faded(now.loss, 0.03),
      bottomFillColor2: faded(now.loss, 0.28),
    });
    drawdown.applyOptions({ lineColor: now.vwap, topColor: faded(now.vwap, 0.05), bottomColor: faded(now.vwap, 0.3) });
  });

  function draw() {
    result.setData(points.map(([time, value]) => ({ time, value })));
    drawdown.setData(points.map(([time, , value]) => ({ time, value })));
    showEmpty(section, points.length === 0);
  }

  return {
    /** The curve so far, from the database. */
    load({ session_date: date, rows }) {
      points = rows.map(([at, , pnl, below]) => [minuteOf(at), pnl, below]);
      draw();
      showAll(true);
      if (rows.length > 0) describe(rows.at(-1)[2], Math.min(...points.map((point) => point[2])), `On ${day(date)}`);
    },
    /** One more point, from the running session. A minute keeps its latest. */
    show(view) {
      const time = minuteOf(view.at);
      const { pnl_usd: pnl, drawdown_usd: below } = view.account;
      if (view.phase === "before_open" || (points.length > 0 && points.at(-1)[0] > time)) return;
      if (points.at(-1)?.[0] === time) points.pop();
      points.push([time, pnl, below]);
      if (points.length === 1) draw();
      else {
        result.update({ time, value: pnl });
        drawdown.update({ time, value: below });
      }
      showAll();
      describe(pnl, view.account.max_drawdown_usd, "Now");
      setText(aside, `${signedPercent((100 * pnl) / view.account.equity_at_open_usd, 3)} of the account, deepest ${signed(view.account.max_drawdown_usd, 0)}`);
    },
  };

  function describe(pnl, deepest, when) {
    setAttribute(host, "aria-label", `Result of the day. ${when} ${signed(pnl)} USD, deepest drawdown ${usd(deepest)} USD.`);
    setText(aside, `result ${signed(pnl, 0)}, deepest drawdown ${signed(deepest, 0)}`);
  }
}

/** Epoch seconds of the minute in which `at` lies. */
function minuteOf(at) {
  return Math.floor(Date.parse(at) / 60_000) * 60;
}

function plain() {
  return {
    lineWidth: 2,
    priceLineVisible: false,
    priceFormat: { type: "custom", formatter: dollars, minMove: 0.01 },
  };
}
