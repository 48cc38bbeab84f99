// The minute bars of one symbol with VWAP, volume, entries and exits; stop, target and cost while shares are held.

import {
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  LineStyle,
  createSeriesMarkers,
} from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { get } from "./api.js";
import { faded, themedChart } from "./charts.js";
import { byId, setAttribute, setText, showEmpty } from "./dom.js";
import { isKnown, number, percent, price, side, signed } from "./format.js";

const BARE = { lastValueVisible: false, priceLineVisible: false };
const VWAP = { ...BARE, lineWidth: 2, crosshairMarkerVisible: false };
const VOLUME = { ...BARE, priceScaleId: "volume", priceFormat: { type: "volume" } };
const ROOM_FOR_VOLUME = { scaleMargins: { top: 0.1, bottom: 0.2 } };

export class PricePanel {
  symbol = "";
  #host = byId("price-chart");
  #section = this.#host.parentElement;
  #shown = { bars: [], marks: [] }; // a bar is [start in epoch seconds, open, high, low, close, volume, VWAP or null]
  #forming = null; // the bar of the running minute
  #levels = []; // lines of the position
  #colours = {};
  #candles;
  #vwap;
  #volume;
  #marks;
  #showAll;

  constructor() {
    this.#showAll = themedChart(this.#host, { rightPriceScale: ROOM_FOR_VOLUME }, (chart, colours) => {
      if (!this.#candles) this.#addSeries(chart);
      this.#paint(colours);
    });
  }

  /** The symbol that is asked for from now on. */
  choose(symbol) {
    this.symbol = symbol;
  }

  /** Ask for the bars of a session, and draw them; `date` undefined is the latest session. */
  async load(date) {
    const answer = await get(`api/bars/${encodeURIComponent(this.symbol)}`, { session: date });
    if (answer.symbol !== this.symbol) return; // another was chosen meanwhile
    const isOther = this.#shown.symbol !== answer.symbol || this.#shown.session_date !== answer.session_date;
    this.#shown = answer;
    this.#forming = null;
    this.#draw();
    this.#showAll(isOther);
  }

  /** What the running session knows of the symbol: the forming bar, and the levels of its position. */
  show({ at, watchlist, positions }) {
    this.#drawLevels(positions.find((row) => row.symbol === this.symbol));
    const watched = watchlist.find((row) => row.symbol === this.symbol);
    if (watched) {
      this.#form(Date.parse(at), watched.last_usd);
      setText(byId("chart-figures"), figures(watched));
    }
  }

  #addSeries(chart) {
    this.#candles = chart.addSeries(CandlestickSeries, { priceLineStyle: LineStyle.Dotted, borderVisible: false });
    this.#vwap = chart.addSeries(LineSeries, VWAP);
    this.#volume = chart.addSeries(HistogramSeries, VOLUME);
    chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
    this.#marks = createSeriesMarkers(this.#candles, []);
  }

  #paint(colours) {
    const { gain, loss } = colours;
    this.#colours = colours;
    this.#candles.applyOptions({ upColor: gain, downColor: loss, wickUpColor: gain, wickDownColor: loss });
    this.#vwap.applyOptions({ color: colours.vwap });
    this.#volume.applyOptions({ color: faded(colours.muted, 0.3) });
    this.#drawMarks();
  }

  #draw() {
    const { symbol, bars, why_none: whyNone } = this.#shown;
    this.#candles.setData(bars.map(([time, open, high, low, close]) => ({ time, open, high, low, close })));
    this.#volume.setData(bars.map((bar) => ({ time: bar[0], value: bar[5] })));
    this.#vwap.setData(bars.filter((bar) => isKnown(bar[6])).map((bar) => ({ time: bar[0], value: bar[6] })));
    this.#drawMarks();
    setText(byId("chart-symbol"), symbol);
    setAttribute(this.#host, "aria-label", description(this.#shown));
    if (bars.length === 0) setText(this.#section.querySelector(".empty"), `${symbol}: ${whyNone}.`);
    showEmpty(this.#section, bars.length === 0);
  }

  #drawMarks() {
    const { accent, gain, loss, muted } = this.#colours;
    const sold = { gain, loss, even: muted };
    const marks = joined(this.#shown.marks).map(({ time, action, quantity, pnl_usd: pnl }) =>
      action === "BUY"
        ? { time, position: "belowBar", shape: "arrowUp", color: accent, text: number(quantity) }
        : { time, position: "aboveBar", shape: "arrowDown", color: sold[side(pnl)], text: signed(pnl, 0) },
    );
    this.#marks.setMarkers(marks);
  }

  #drawLevels(position) {
    for (const level of this.#levels) this.#candles.removePriceLine(level);
    this.#levels = [];
    if (position === undefined) return;
    const { gain, loss, muted } = this.#colours;
    this.#drawLevel("cost", position.average_cost_usd, muted, LineStyle.Dotted);
    this.#drawLevel("stop", position.stop_usd, loss, LineStyle.Dashed);
    this.#drawLevel("target", position.target_usd, gain, LineStyle.Dashed);
  }

  #drawLevel(title, value, color, lineStyle) {
    if (!isKnown(value)) return;
    this.#levels.push(this.#candles.createPriceLine({ price: value, title, color, lineStyle, lineWidth: 1 }));
  }

  /** The running minute's bar, of the prices that were seen; the program's own takes its place when it is complete. */
  #form(at, last) {
    const time = Math.floor(at / 60_000) * 60;
    const latest = this.#shown.bars.at(-1);
    if (!isKnown(last) || latest === undefined || time <= latest[0]) return;
    const bar = this.#forming?.time === time ? this.#forming : { time, open: last, high: last, low: last };
    this.#forming = { ...bar, high: Math.max(bar.high, last), low: Math.min(bar.low, last), close: last };
    this.#candles.update(this.#forming);
  }
}

/** Executions of one minute and direction are one mark: an order often fills in parts. */
function joined(marks) {
  const found = new Map();
  for (const { at, action, quantity, pnl_usd: pnl } of marks) {
    const time = Math.floor(Date.parse(at) / 60_000) * 60;
    const mark = found.get(`${time} ${action}`) ?? { time, action, quantity: 0, pnl_usd: 0 };
    mark.quantity += quantity;
    mark.pnl_usd += pnl ?? 0;
    found.set(`${time} ${action}`, mark);
  }
  return [...found.values()];
}

function figures({ last_usd: last, vwap_usd: vwap, rsi, atr_pct: atr }) {
  return `last ${price(last)} · VWAP ${price(vwap)} · RSI ${number(rsi, 1)} · ATR ${percent(atr)}`;
}

function description({ symbol, bars, marks }) {
  if (bars.length === 0) return `Price chart of ${symbol}: no bars yet`;
  const [low, high] = [Math.min(...bars.map((bar) => bar[3])), Math.max(...bars.map((bar) => bar[2]))];
  const sales = marks.filter((mark) => mark.action === "SELL").length;
  const range = `${bars.length} minute bars between ${price(low)} and ${price(high)}, last ${price(bars.at(-1)[4])}`;
  return `Price chart of ${symbol}: ${range}; ${marks.length - sales} purchases and ${sales} sales.`;
}
