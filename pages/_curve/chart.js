// One chart: its data, what the user chose to see of it, and the parts of the page that follow from both.

import { fullRange, moved, nearest, smooth, undoDifferences, valueText, wholeText, zoomed } from "./numbers.js";
import { colourOf, paint, themeOf } from "./paint.js";
import { fillTable } from "./table.js";
import { listen } from "./controls.js";

const NOTHING = { title: "", format: "number", limits: null, stepsPerEpoch: 0, series: [], marks: [] };

/** What the user chose; outlives new data and a new mount of the same chart. */
export function freshState() {
  return { view: null, hidden: {}, smoothing: 0.6, log: false, epochs: false, hand: false };
}

export class Chart {
  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.data = NOTHING;
    this.cursor = null; // { name, x }: a point, by the name of its series
    this.choice = null; // two pixel positions while a range is being dragged
    this.ending = new AbortController();
    for (const part of ["title", "legend", "plot", "tip", "empty", "scroll"]) this[part] = root.querySelector(`.${part}`);
    this.canvas = root.querySelector("canvas");
    this.details = root.querySelector("details");
    this.said = root.querySelector("[data-part=said]");
    this.theme = themeOf(root);
    this.resizing = new ResizeObserver(() => this.redraw(true));
    this.resizing.observe(this.plot);
    listen(this);
    this.showTools();
  }

  end() {
    this.ending.abort();
    this.resizing.disconnect();
    cancelAnimationFrame(this.frame);
  }

  configure({ height, label }) {
    this.plot.style.height = `${height}px`;
    this.plot.setAttribute("aria-label", label);
    this.theme = themeOf(this.root);
    this.legendShown = null;
    this.showLegend();
    this.redraw();
  }

  setData(data) {
    this.data = data;
    for (const series of data.series) series.x = undoDifferences(series.dx, series.y.length);
    this.smoothAll();
    this.title.textContent = data.title;
    this.empty.hidden = data.series.some(({ x }) => x.length);
    this.root.dataset.updates = Number(this.root.dataset.updates || 0) + 1;
    this.showLegend();
    this.showTools();
    this.redraw();
    if (this.details.open) fillTable(this);
  }

  smoothAll() {
    for (const series of this.data.series) {
      series.smoothed = series.kind === "steps" ? smooth(series.y, this.state.smoothing) : series.y;
    }
  }

  // ---- what is seen

  shown() {
    return this.data.series.filter(({ name }) => !this.state.hidden[name]);
  }

  full() {
    return fullRange(this.data.series);
  }

  range() {
    return this.state.view || this.full();
  }

  inEpochs() {
    return this.state.epochs && this.data.stepsPerEpoch > 0;
  }

  look(view) {
    this.state.view = view;
    this.showTools();
    this.redraw();
  }

  zoom(factor, centre) {
    const [low, high] = this.range();
    this.look(zoomed(this.state.view, this.full(), factor, centre ?? this.point()?.x ?? (low + high) / 2));
  }

  move(distance) {
    this.look(moved(this.state.view, this.full(), distance));
  }

  /** Set an option and show it everywhere. */
  set(name, value) {
    this.state[name] = value;
    if (name === "smoothing") this.smoothAll();
    this.showTools();
    this.redraw();
  }

  // ---- the value under the cursor

  point() {
    const series = this.cursor && this.shown().find(({ name }) => name === this.cursor.name);
    if (!series || !series.x.length) return null;
    const index = nearest(series.x, this.cursor.x);
    return { series, index, x: series.x[index], value: series.y[index] };
  }

  pointAt(left, top) {
    let best = null, least = Infinity;
    for (const series of this.shown()) {
      const index = nearest(series.x, this.scale.fromX(left));
      if (index < 0 || series.y[index] === null) continue;
      const away = Math.hypot(this.scale.toX(series.x[index]) - left, 0.5 * ((this.scale.toY(series.y[index]) || 0) - top));
      if (away < least) [best, least] = [{ name: series.name, x: series.x[index] }, away];
    }
    return best;
  }

  setCursor(cursor) {
    this.cursor = cursor;
    this.redraw();
  }

  describe({ series, index }) {
    const { format } = this.data;
    const range = series.low && series.low[index] !== series.high[index]
      ? ` (${valueText(series.low[index], format)} to ${valueText(series.high[index], format)})` : "";
    return valueText(series.y[index], format) + range;
  }

  where(x) {
    const { stepsPerEpoch } = this.data;
    const epoch = stepsPerEpoch ? `, epoch ${Number((x / stepsPerEpoch).toFixed(2))}` : "";
    return `Step ${wholeText(x)}${epoch}`;
  }

  say() {
    const point = this.point();
    this.said.textContent = point ? `${point.series.name}: ${this.describe(point)}. ${this.where(point.x)}` : "";
  }

  // ---- showing

  /** Paint with the next frame, or `now` where the browser is about to (a resize clears the canvas). */
  redraw(now = false) {
    cancelAnimationFrame(this.frame);
    const show = () => {
      paint(this);
      this.showTip();
      this.root.dataset.view = this.state.view ? this.state.view.map((x) => x.toFixed(2)).join(",") : "all";
    };
    if (now) show(); else this.frame = requestAnimationFrame(show);
  }

  showTip() {
    const { tip } = this, point = this.point();
    const outside = !point || !this.scale || point.x < this.scale.x0 || point.x > this.scale.x1;
    tip.hidden = outside;
    if (outside) return;
    const rows = this.shown().map((series) => this.tipRow(series, point)).filter(Boolean);
    tip.replaceChildren(element("div", "where", this.where(point.x)), ...rows);
    const x = this.scale.toX(point.x), width = tip.offsetWidth, room = this.plot.clientWidth;
    const left = x + 14 + width <= room ? x + 14 : x - 14 - width;
    tip.style.left = `${Math.max(4, Math.min(left, room - width - 4))}px`;
    const below = this.scale.toY(point.value) < this.plot.clientHeight * 0.4; // never over the value itself
    tip.style.top = below ? `${this.scale.bottom - tip.offsetHeight - 6}px` : "6px";
  }

  tipRow(series, point) {
    const index = nearest(series.x, point.x);
    if (index < 0) return null;
    const row = element("div", series === point.series ? "near" : "", "");
    const dot = element("span", "dot", "");
    dot.style.background = colourOf(this.theme, series);
    const elsewhere = series.x[index] === point.x ? "" : ` at ${wholeText(series.x[index])}`;
    row.append(dot, element("span", "label", series.name + elsewhere), element("span", "value", this.describe({ series, index })));
    return row;
  }

  showLegend() {
    const key = JSON.stringify([this.theme.lines, this.data.series.map(({ name, colour, kind }) => [name, colour, kind])]);
    if (key !== this.legendShown) this.legend.replaceChildren(...this.data.series.map((series) => this.legendButton(series)));
    this.legendShown = key;
  }

  legendButton(series) {
    const button = element("button", "", "");
    button.type = "button";
    const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    sign.setAttribute("aria-hidden", "true");
    const add = (tag, attributes) => {
      const shape = sign.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
      for (const [name, value] of Object.entries({ stroke: colourOf(this.theme, series), ...attributes })) shape.setAttribute(name, value);
    };
    add("line", { x1: 0, y1: 5, x2: 22, y2: 5, "stroke-width": series.kind === "steps" ? 3 : 2 });
    if (series.kind === "epochs") add("circle", { cx: 11, cy: 5, r: 4, fill: colourOf(this.theme, series) });
    button.append(sign, series.name);
    const show = () => button.setAttribute("aria-pressed", String(!this.state.hidden[series.name]));
    button.addEventListener("click", () => {
      this.state.hidden[series.name] = !this.state.hidden[series.name];
      show();
      this.redraw();
    });
    show();
    return button;
  }

  showTools() {
    const { state, root } = this;
    root.querySelector("input").value = state.smoothing;
    root.querySelector("output").textContent = state.smoothing.toFixed(2);
    for (const name of ["log", "epochs", "hand"]) {
      root.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", String(state[name]));
    }
    root.querySelector("[data-do=epochs]").hidden = !this.data.stepsPerEpoch;
    root.querySelector(".smooth").hidden = !this.data.series.some(({ kind }) => kind === "steps");
    root.querySelector("[data-do=reset]").disabled = !state.view;
    this.plot.classList.toggle("hand", state.hand);
  }
}

/** A new element of a class with a text; text is never read as HTML. */
export function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}
