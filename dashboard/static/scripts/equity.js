// The result of the day since the open, and below it how far it is under its best.

import { AreaSeries, BaselineSeries } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { faded, themedChart } from "./charts.js";
import { byId, setAttribute, setText, showEmpty } from "./dom.js";
import { signed } from "./format.js";

const WHOLE_DOLLARS = { type: "custom", formatter: (value) => signed(value, 0), minMove: 0.01 };
const LINE = { lineWidth: 2, priceLineVisible: false, priceFormat: WHOLE_DOLLARS };
const DRAWDOWN_SHARE = 0.38; // of the height of the result

export class EquityPanel {
  #host = byId("equity-chart");
  #result;
  #drawdown;
  #showAll;
  #points = []; // [epoch seconds, result, drawdown], oldest first, one a minute

  constructor() {
    this.#showAll = themedChart(this.#host, {}, (chart, colours) => {
      if (!this.#result) this.#addSeries(chart);
      this.#paint(colours);
    });
  }

  /** The curve so far, from the database. */
  load({ rows }) {
    this.#points = rows.map(([at, , pnl, drawdown]) => [minuteOf(at), pnl, drawdown]);
    this.#draw();
    this.#showAll(true);
    if (this.#points.length > 0) this.#tell(this.#points.at(-1)[1], Math.min(...this.#points.map((point) => point[2])));
  }

  /** One more point, from the running session. A minute keeps its latest. */
  show({ at, phase, account }) {
    const time = minuteOf(at);
    const latest = this.#points.at(-1);
    if (phase === "before_open" || latest?.[0] > time) return;
    if (latest?.[0] === time) this.#points.pop();
    this.#points.push([time, account.pnl_usd, account.drawdown_usd]);
    if (this.#points.length === 1) this.#draw();
    this.#result.update({ time, value: account.pnl_usd });
    this.#drawdown.update({ time, value: account.drawdown_usd });
    this.#showAll();
    this.#tell(account.pnl_usd, account.max_drawdown_usd);
  }

  #addSeries(chart) {
    this.#result = chart.addSeries(BaselineSeries, { ...LINE, baseValue: { type: "price", price: 0 } }, 0);
    this.#drawdown = chart.addSeries(AreaSeries, { ...LINE, invertFilledArea: true }, 1);
    chart.panes()[1].setStretchFactor(DRAWDOWN_SHARE);
  }

  #paint({ gain, loss, vwap: amber }) {
    const [strong, weak] = [0.28, 0.03];
    this.#result.applyOptions({
      topLineColor: gain,
      topFillColor1: faded(gain, strong),
      topFillColor2: faded(gain, weak),
      bottomLineColor: loss,
      bottomFillColor1: faded(loss, weak),
      bottomFillColor2: faded(loss, strong),
    });
    this.#drawdown.applyOptions({
      lineColor: amber,
      topColor: faded(amber, weak),
      bottomColor: faded(amber, strong),
    });
  }

  #draw() {
    this.#result.setData(this.#points.map(([time, value]) => ({ time, value })));
    this.#drawdown.setData(this.#points.map(([time, , value]) => ({ time, value })));
    showEmpty(byId("money"), this.#points.length === 0);
  }

  #tell(pnl, deepest) {
    const words = `result ${signed(pnl, 0)}, deepest drawdown ${signed(deepest, 0)}`;
    setText(byId("money-words"), words);
    setAttribute(this.#host, "aria-label", `Curve of the day: ${words}`);
  }
}

/** Epoch seconds of the minute in which `at` lies. */
function minuteOf(at) {
  return Math.floor(Date.parse(at) / 60_000) * 60;
}
