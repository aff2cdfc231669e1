// What pointer, wheel, keyboard and buttons do to a chart.

import { fillTable } from "./table.js";

const A_CLICK = 6; // pixels that a pointer may move without meaning a range

export function listen(chart) {
  const { plot, root, details } = chart;
  const on = (target, event, act, options) =>
    target.addEventListener(event, act, { signal: chart.ending.signal, ...options });
  const pointers = new Map(); // pointers that are down, by id: where they are
  let drag = null;
  const place = (event) => {
    const box = plot.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  on(plot, "pointerdown", (event) => {
    if (event.button !== 0 || !chart.scale) return;
    pointers.set(event.pointerId, place(event));
    plot.setPointerCapture(event.pointerId);
    drag = startDrag(chart, event, pointers);
    plot.classList.toggle("moving", drag.kind === "move");
  });
  on(plot, "pointermove", (event) => {
    if (!chart.scale) return;
    const at = place(event);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, at);
    if (drag && pointers.size) continueDrag(chart, drag, pointers, at);
    if (!drag || drag.kind === "read") chart.setCursor(chart.pointAt(at.x, at.y));
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size || !drag) return;
    if (event.type === "pointerup") finishDrag(chart);
    chart.choice = drag = null;
    plot.classList.remove("moving");
    chart.redraw();
  };
  on(plot, "pointerup", release);
  on(plot, "pointercancel", release);
  on(plot, "pointerleave", (event) => event.pointerType === "mouse" && !drag && chart.setCursor(null));
  on(plot, "dblclick", () => chart.look(null));
  on(plot, "wheel", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !chart.scale) return; // the page scrolls
    event.preventDefault();
    chart.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY * (event.deltaMode ? 0.05 : 0.0025)))), chart.scale.fromX(place(event).x));
  }, { passive: false });
  on(plot, "keydown", (event) => press(chart, event));
  on(plot, "blur", () => chart.setCursor(null));
  on(root.querySelector("input"), "input", (event) => chart.set("smoothing", Number(event.target.value)));
  for (const button of root.querySelectorAll("[data-do]")) on(button, "click", () => command(chart, button.dataset.do));
  on(details, "toggle", () => details.open && fillTable(chart));
}

/** Two fingers pinch; one finger reads, or moves a zoomed view; a mouse chooses a range, or moves with shift or "Move". */
function startDrag(chart, event, pointers) {
  const spots = [...pointers.values()];
  chart.choice = null;
  if (pointers.size > 1) {
    return { kind: "pinch", apart: Math.abs(spots[0].x - spots[1].x), centre: chart.scale.fromX((spots[0].x + spots[1].x) / 2), view: chart.range() };
  }
  const moves = chart.state.view && (event.pointerType === "touch" || chart.state.hand || event.shiftKey);
  const kind = moves ? "move" : event.pointerType === "touch" || chart.state.hand ? "read" : "choose";
  return { kind, start: spots[0].x, view: chart.range(), scale: chart.scale };
}

function continueDrag(chart, drag, pointers, at) {
  if (drag.kind === "pinch" && pointers.size > 1) {
    const spots = [...pointers.values()];
    const factor = Math.max(20, drag.apart) / Math.max(20, Math.abs(spots[0].x - spots[1].x));
    chart.state.view = drag.view;
    chart.zoom(factor, drag.centre);
  } else if (drag.kind === "move") {
    chart.state.view = drag.view;
    chart.move(drag.scale.fromX(drag.start) - drag.scale.fromX(at.x));
  } else if (drag.kind === "choose") {
    chart.choice = [drag.start, at.x];
    chart.setCursor(null);
  }
}

function finishDrag(chart) {
  if (!chart.choice || Math.abs(chart.choice[0] - chart.choice[1]) < A_CLICK) return;
  const [from, to] = chart.choice.map(chart.scale.fromX).sort((a, b) => a - b);
  const [low, high] = chart.full();
  chart.look([Math.max(low, from), Math.min(high, Math.max(to, from + 1e-6))]);
}

function command(chart, name) {
  if (name === "in") chart.zoom(0.5);
  else if (name === "out") chart.zoom(2);
  else if (name === "reset") chart.look(null);
  else chart.set(name, !chart.state[name]);
}

function press(chart, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const [low, high] = chart.range();
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const upwards = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (sideways && event.shiftKey) chart.move((sideways * (high - low)) / 5);
  else if (sideways) step(chart, (index, count) => Math.min(count - 1, Math.max(0, index + sideways)));
  else if (event.key === "Home") step(chart, () => 0);
  else if (event.key === "End") step(chart, (_, count) => count - 1);
  else if (upwards) change(chart, upwards);
  else if (event.key === "+" || event.key === "=") chart.zoom(0.5);
  else if (event.key === "-") chart.zoom(2);
  else if (event.key === "0") chart.look(null);
  else if (event.key === "Escape" && chart.cursor) chart.setCursor(null);
  else return;
  event.preventDefault();
  event.stopPropagation(); // the page has keys of its own
}

/** Put the cursor on another point of its series; the first time on the last point of the first series. */
function step(chart, next) {
  const point = chart.point();
  const series = point ? point.series : chart.shown().find(({ x }) => x.length);
  if (!series) return;
  const index = point ? next(point.index, series.x.length) : next(series.x.length, series.x.length);
  go(chart, { name: series.name, x: series.x[Math.min(index, series.x.length - 1)] });
}

function change(chart, by) {
  const shown = chart.shown().filter(({ x }) => x.length);
  if (!shown.length) return;
  const point = chart.point();
  const now = point ? shown.indexOf(point.series) : -by;
  const series = shown[(now + by + shown.length) % shown.length];
  go(chart, { name: series.name, x: point ? point.x : series.x[series.x.length - 1] });
}

function go(chart, cursor) {
  chart.setCursor(cursor);
  const x = chart.point().x;
  const [low, high] = chart.range();
  if (x < low || x > high) chart.move(x < low ? x - low : x - high);
  chart.say();
}
