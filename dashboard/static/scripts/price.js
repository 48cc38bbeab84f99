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

export function pricePanel() {
  const [host, name, figures] = ["price-chart", "chart-symbol", "chart-figures"].map(byId);
  const section = host.parentElement;
  let series, vwap, volume, markers;
  let now = {}; // colours
  let symbol = "";
  let shown = { bars: [], marks: [] }; // a bar is [start in epoch seconds, open, high, low, close, volume, VWAP or null]
  let levels = []; // price lines
  let forming = null; // the bar of the running minute

  const showAll = themedChart(host, { rightPriceScale: { scaleMargins: { top: 0.1, bottom: 0.2 } } }, (made, colours) => {
    now = colours;
    series ??= made.addSeries(CandlestickSeries, { priceLineStyle: LineStyle.Dotted });
    vwap ??= made.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false });
    volume ??= made.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    made.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
    markers ??= createSeriesMarkers(series, []);
    series.applyOptions({ upColor: now.gain, downColor: now.loss, borderVisible: false, wickUpColor: now.gain, wickDownColor: now.loss });
    vwap.applyOptions({ color: now.vwap });
    volume.applyOptions({ color: faded(now.muted, 0.3) });
    markers.setMarkers(joined(shown.marks).map(markerOf));
  });

  function draw() {
    series.setData(shown.bars.map(([time, open, high, low, close]) => ({ time, open, high, low, close })));
    volume.setData(shown.bars.map((bar) => ({ time: bar[0], value: bar[5] })));
    vwap.setData(shown.bars.filter((bar) => isKnown(bar[6])).map((bar) => ({ time: bar[0], value: bar[6] })));
    markers.setMarkers(joined(shown.marks).map(markerOf));
    showEmpty(section, shown.bars.length === 0);
  }

  function markerOf({ time, action, quantity, pnl_usd: pnl }) {
    if (action === "BUY") return { time, position: "belowBar", shape: "arrowUp", color: now.accent, text: number(quantity) };
    const color = { gain: now.gain, loss: now.loss, even: now.muted }[side(pnl)];
    return { time, position: "aboveBar", shape: "arrowDown", color, text: signed(pnl, 0) };
  }

  /** A level of the position as a line with its name. */
  function line(value, title, color, style) {
    if (isKnown(value)) levels.push(series.createPriceLine({ price: value, title, color, lineStyle: style, lineWidth: 1 }));
  }

  return {
    get symbol() {
      return symbol;
    },
    /** The symbol that is asked for from now on. */
    choose(chosen) {
      symbol = chosen;
    },
    /** Ask for the bars of a session, and draw them; `date` undefined is the latest session. */
    async load(date) {
      const answer = await get(`api/bars/${encodeURIComponent(symbol)}`, { session: date });
      if (answer.symbol !== symbol) return; // another was chosen meanwhile
      const isOther = shown.symbol !== symbol || shown.session_date !== answer.session_date;
      shown = answer;
      forming = null;
      draw();
      showAll(isOther);
      setText(name, symbol);
      setAttribute(host, "aria-label", describe(answer));
      if (answer.bars.length === 0) setText(section.querySelector(".empty"), `${symbol}: ${answer.why_none}.`);
    },
    /** What the running session knows of the symbol: the forming bar, and the levels of its position. */
    show(view) {
      const watched = view.watchlist.find((row) => row.symbol === symbol);
      const position = view.positions.find((row) => row.symbol === symbol);
      for (const level of levels) series.removePriceLine(level);
      levels = [];
      if (position) {
        line(position.average_cost_usd, "cost", now.muted, LineStyle.Dotted);
        line(position.stop_usd, "stop", now.loss, LineStyle.Dashed);
        line(position.target_usd, "target", now.gain, LineStyle.Dashed);
      }
      if (watched) {
        form(Date.parse(view.at), watched.last_usd);
        setText(figures, `last ${price(watched.last_usd)}  ·  VWAP ${price(watched.vwap_usd)}  ·  RSI ${number(watched.rsi, 1)}  ·  ATR ${percent(watched.atr_pct)}`);
      }
    },
  };

  /** The running minute's bar, of the prices that were seen; the program's own bar takes its place when it is complete. */
  function form(at, last) {
    const start = Math.floor(at / 60_000) * 60;
    const latest = shown.bars.at(-1);
    if (!isKnown(last) || latest === undefined || start <= latest[0]) return;
    if (forming?.time !== start) forming = { time: start, open: last, high: last, low: last, close: last };
    forming = { ...forming, high: Math.max(forming.high, last), low: Math.min(forming.low, last), close: last };
    series.update(forming);
  }
}

/** Executions of one minute and direction are one mark: an order often fills in parts. */
function joined(marks) {
  const found = new Map();
  for (const { at, action, quantity, pnl_usd: pnl } of marks) {
    const time = Math.floor(Date.parse(at) / 60_000) * 60;
    const mark = found.get(`${time} ${action}`) ?? { time, action, quantity: 0, pnl_usd: 0 };
    found.set(`${time} ${action}`, { ...mark, quantity: mark.quantity + quantity, pnl_usd: mark.pnl_usd + (pnl ?? 0) });
  }
  return [...found.values()];
}

function describe({ symbol, bars, marks }) {
  if (bars.length === 0) return `Price chart of ${symbol}: no bars yet`;
  const [low, high] = [Math.min(...bars.map((bar) => bar[3])), Math.max(...bars.map((bar) => bar[2]))];
  const sales = marks.filter((mark) => mark.action === "SELL").length;
  return `Price chart of ${symbol}: ${bars.length} minute bars between ${price(low)} and ${price(high)}, last ${price(bars.at(-1)[4])}; ${marks.length - sales} purchases and ${sales} sales.`;
}
