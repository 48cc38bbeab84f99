// What all charts share: the page's colours, New York's time on the axis, and a size that follows the panel.

import { createChart } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { clockMinutes, dayAt } from "./format.js";

const NAMES = ["surface", "line", "line-strong", "text", "muted", "accent", "gain", "loss", "vwap"];
const charts = []; // functions that put on the present colours

/** The colours of the page as they are now: token's name -> "rgb(…)", which is what the library understands. */
export function colours() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const found = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

/** "rgb(1, 2, 3)" with an opacity. */
export function faded(colour, opacity) {
  return colour.replace("rgb(", "rgba(").replace(")", `, ${opacity})`);
}

/**
 * A chart in `host`; `paint(chart, colours)` is called now and whenever the theme changes.
 *
 * Returns `showAll(anew)`: the whole session fills the width until somebody drags or zooms; `anew` forgets that.
 */
export function themedChart(host, options, paint) {
  const chart = createChart(host, {
    autoSize: true,
    layout: { attributionLogo: false }, // it brings an inline style; the foot of the page names TradingView instead
    handleScale: { mouseWheel: false }, // the wheel scrolls the page; pinch and drag still zoom
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    localization: { timeFormatter: (time) => `${dayAt(time * 1000)}  ${clockMinutes(time * 1000)}` },
    ...options,
  });
  const dress = () => {
    const now = colours();
    chart.applyOptions(look(now));
    paint(chart, now);
  };
  charts.push(dress);
  dress();
  let isTouched = false;
  host.addEventListener("pointerdown", () => (isTouched = true));
  const showAll = (anew = false) => {
    isTouched &&= !anew;
    if (!isTouched) chart.timeScale().fitContent();
  };
  chart.timeScale().subscribeSizeChange(() => showAll());
  return showAll;
}

export function repaintCharts() {
  for (const dress of charts) dress();
}

function look(now) {
  const edge = { borderColor: now.line };
  return {
    layout: {
      background: { color: "transparent" },
      textColor: now.muted,
      fontFamily: "Inter, system-ui, sans-serif",
      fontSize: 11,
      panes: { separatorColor: now.line, separatorHoverColor: now.line, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: faded(now.line, 0.6) } },
    rightPriceScale: edge,
    timeScale: {
      ...edge,
      timeVisible: true,
      secondsVisible: false,
      tickMarkFormatter: (time) => clockMinutes(time * 1000),
    },
    crosshair: { vertLine: { labelBackgroundColor: now.muted }, horzLine: { labelBackgroundColor: now.muted } },
  };
}
