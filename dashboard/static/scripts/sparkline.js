// A line without axes: how a measure went lately. Beside it stands the number; the line is decoration.

import { svg } from "./dom.js";
import { isKnown } from "./format.js";

const [WIDTH, HEIGHT] = [100, 22];

export function sparkline(values) {
  const points = values.filter(isKnown);
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const x = (index) => (WIDTH * index) / Math.max(1, points.length - 1);
  const y = (value) => HEIGHT - 2 - ((HEIGHT - 4) * (value - low)) / (high - low || 1);
  const line = points.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const shape = svg("polyline", {
    points: line,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke",
  });
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "sparkline", "aria-hidden": "true" },
    shape,
  );
}
