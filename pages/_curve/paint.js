// Drawing: one call paints the whole canvas from the chart's present state.

import { logTicks, tickLabel, ticks, valueRange } from "./numbers.js";

// Okabe and Ito's colours, darkened on a light page and lightened on a dark one: the same as for compared runs
const LIGHT = ["#0072b2", "#d55e00", "#007f5f", "#a8457f", "#6a5acd", "#8a6d00"];
const DARK = ["#56b4e9", "#ff9e4a", "#2fcf9f", "#e58fc0", "#a99cff", "#f0e442"];
const DASHES = [[], [], [6, 3], [2, 3]];

/** What the page's theme says now. */
export function themeOf(element) {
  const style = getComputedStyle(element);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = style.color;
  const [red, green, blue] = (text.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue > 128; // light letters stand on a dark page
  const family = read("--st-font", "sans-serif");
  return { text, dark, lines: dark ? DARK : LIGHT, page: read("--st-background-color", dark ? "#000" : "#fff"),
    grid: dark ? "rgba(255,255,255,0.16)" : "rgba(0,0,0,0.12)", font: `12px ${family}` };
}

export function colourOf(theme, series) {
  return theme.lines[series.colour % theme.lines.length];
}

/** Paint `chart`; leaves `chart.scale` behind, which turns steps and values into pixels and back. */
export function paint(chart) {
  const { canvas } = chart;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = chart.theme.font;
  const scale = (chart.scale = scaleOf(chart, g, width, height));
  drawAxes(g, chart, scale);
  g.save();
  g.beginPath();
  g.rect(scale.left - 4, scale.top - 5, scale.right - scale.left + 9, scale.bottom - scale.top + 10); // whole points at the edges
  g.clip();
  for (const series of chart.shown()) (series.kind === "steps" ? drawSteps : drawEpochs)(g, chart, scale, series);
  drawMarks(g, chart, scale);
  drawCursor(g, chart, scale);
  drawChoice(g, chart, scale);
  g.restore();
}

function scaleOf(chart, g, width, height) {
  const [x0, x1] = chart.range();
  const { log } = chart.state;
  const top = 8, bottom = height - 36;
  const lists = chart.shown().flatMap((series) => {
    const drawn = [{ x: series.x, values: series.smoothed }, { x: series.x, values: series.y }];
    if (series.low) drawn.push({ x: series.x, values: series.low }, { x: series.x, values: series.high });
    return drawn;
  });
  const [y0, y1] = valueRange(lists, x0, x1, log, chart.data.limits);
  const count = Math.max(2, Math.floor((bottom - top) / 44));
  const values = log ? logTicks(y0, y1, count) : ticks(y0, y1, count);
  const percent = chart.data.format === "percent" ? 100 : 1;
  const labels = values.map((value, k) => {
    const step = log ? value : values.length > 1 ? values[1] - values[0] : y1 - y0;
    return tickLabel(value * percent, (log ? 10 ** Math.floor(Math.log10(step) + 1e-9) : step) * percent) + (percent > 1 ? " %" : "");
  });
  const left = Math.ceil(Math.max(24, ...labels.map((label) => g.measureText(label).width))) + 10;
  const right = width - 10;
  const of = log ? Math.log : (value) => value;
  const [from, to] = [of(y0), of(y1)];
  return { left, right, top, bottom, width, height, x0, x1, values, labels,
    toX: (x) => left + ((x - x0) / (x1 - x0 || 1)) * (right - left),
    toY: (y) => (log && y <= 0 ? NaN : bottom - ((of(y) - from) / (to - from || 1)) * (bottom - top)),
    fromX: (pixel) => x0 + ((pixel - left) / (right - left || 1)) * (x1 - x0) };
}

function drawAxes(g, chart, scale) {
  const { theme, data } = chart;
  g.strokeStyle = theme.grid;
  g.fillStyle = theme.text;
  g.lineWidth = 1;
  g.textAlign = "right";
  g.textBaseline = "middle";
  scale.values.forEach((value, k) => {
    const y = Math.round(scale.toY(value)) + 0.5;
    line(g, scale.left, y, scale.right, y);
    g.fillText(scale.labels[k], scale.left - 6, y);
  });
  const unit = chart.inEpochs() ? data.stepsPerEpoch : 1;
  const places = ticks(scale.x0 / unit, scale.x1 / unit, Math.max(2, Math.floor((scale.right - scale.left) / 80)), unit === 1);
  g.textAlign = "center";
  g.textBaseline = "top";
  for (const place of places) {
    const x = Math.round(scale.toX(place * unit)) + 0.5;
    line(g, x, scale.bottom, x, scale.bottom + 4);
    const label = tickLabel(place, places.length > 1 ? places[1] - places[0] : 1), half = g.measureText(label).width / 2;
    g.fillText(label, Math.min(Math.max(x, half + 1), scale.width - half - 1), scale.bottom + 6);
  }
  line(g, scale.left, scale.bottom + 0.5, scale.right, scale.bottom + 0.5);
  g.fillText(unit === 1 ? "Step" : "Epoch", (scale.left + scale.right) / 2, scale.bottom + 21);
}

function line(g, x0, y0, x1, y1) {
  g.beginPath();
  g.moveTo(x0, y0);
  g.lineTo(x1, y1);
  g.stroke();
}

/** Every training step: the band from lowest to highest and a thin line of means, under the smoothed line. */
function drawSteps(g, chart, scale, series) {
  g.strokeStyle = g.fillStyle = colourOf(chart.theme, series);
  const smoothing = series.smoothed !== series.y;
  if (series.low) {
    g.globalAlpha = 0.16;
    band(g, scale, series);
  }
  g.setLineDash([]);
  g.lineJoin = "round";
  if (smoothing) {
    g.globalAlpha = 0.4;
    g.lineWidth = 1;
    trace(g, scale, series.x, series.y);
  }
  g.globalAlpha = 1;
  g.lineWidth = smoothing ? 2.25 : 1.5;
  trace(g, scale, series.x, series.smoothed);
  if (series.x.length === 1) dot(g, scale.toX(series.x[0]), scale.toY(series.y[0]), 3);
}

function drawEpochs(g, chart, scale, series) {
  g.strokeStyle = g.fillStyle = colourOf(chart.theme, series);
  g.lineWidth = 2;
  g.setLineDash(DASHES[series.colour % DASHES.length]);
  trace(g, scale, series.x, series.smoothed);
  g.setLineDash([]);
  const apart = ((scale.right - scale.left) / (scale.x1 - scale.x0 || 1)) * (series.x.length > 1 ? series.x[1] - series.x[0] : 1);
  if (series.x.length > 1 && apart < 7) return;
  series.x.forEach((x, i) => series.y[i] !== null && dot(g, scale.toX(x), scale.toY(series.y[i]), 3.5));
}

function band(g, scale, { x, low, high }) {
  let start = null;
  const close = (end) => {
    g.beginPath();
    for (let i = start; i < end; i++) g.lineTo(scale.toX(x[i]), scale.toY(high[i]));
    for (let i = end - 1; i >= start; i--) g.lineTo(scale.toX(x[i]), Math.min(scale.bottom + 9, scale.toY(low[i]) || scale.bottom + 9));
    g.fill();
    start = null;
  };
  for (let i = 0; i < x.length; i++) {
    const whole = low[i] !== null && high[i] !== null && Number.isFinite(scale.toY(high[i]));
    if (whole && start === null) start = i;
    if (!whole && start !== null) close(i);
  }
  if (start !== null) close(x.length);
}

function trace(g, scale, x, values) {
  let drawing = false;
  g.beginPath();
  for (let i = 0; i < x.length; i++) {
    const y = values[i] === null ? NaN : scale.toY(values[i]);
    if (!Number.isFinite(y)) { drawing = false; continue; }
    if (drawing) g.lineTo(scale.toX(x[i]), y); else g.moveTo(scale.toX(x[i]), y);
    drawing = true;
  }
  g.stroke();
}

function dot(g, x, y, radius) {
  if (!Number.isFinite(y)) return;
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}

function drawMarks(g, chart, scale) {
  g.strokeStyle = g.fillStyle = chart.theme.text;
  g.lineWidth = 1;
  g.textBaseline = "top";
  for (const { step, label } of chart.data.marks || []) {
    const x = Math.round(scale.toX(step)) + 0.5;
    if (x < scale.left || x > scale.right) continue;
    g.setLineDash([4, 4]);
    line(g, x, scale.top, x, scale.bottom);
    g.setLineDash([]);
    const room = x + 8 + g.measureText(label).width < scale.right;
    g.textAlign = room ? "left" : "right";
    g.fillText(label, room ? x + 5 : x - 5, scale.top + 2);
  }
}

function drawCursor(g, chart, scale) {
  const point = chart.point();
  if (!point) return;
  const x = scale.toX(point.x), y = scale.toY(point.value);
  g.strokeStyle = chart.theme.text;
  g.lineWidth = 1;
  g.globalAlpha = 0.55;
  line(g, x, scale.top, x, scale.bottom);
  g.globalAlpha = 1;
  if (!Number.isFinite(y)) return;
  g.fillStyle = chart.theme.page;
  dot(g, x, y, 6);
  g.fillStyle = colourOf(chart.theme, point.series);
  dot(g, x, y, 4.5);
}

function drawChoice(g, chart, scale) {
  if (!chart.choice) return;
  const [from, to] = [Math.min(...chart.choice), Math.max(...chart.choice)];
  g.fillStyle = chart.theme.text;
  g.globalAlpha = 0.14;
  g.fillRect(from, scale.top, to - from, scale.bottom - scale.top);
  g.globalAlpha = 1;
}
