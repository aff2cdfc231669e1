// The chart's component: sent once. Its data comes through the small component of feed.js, so that an update
// costs its data and not this code; the two meet here, by the chart's name, in whichever order they arrive.

import { Chart, freshState } from "./chart.js";

const hub = (globalThis[Symbol.for("cnnapp.curve")] ??= { charts: new Map(), data: new Map(), states: new Map() });

export default function mount({ data, parentElement }) {
  const { name } = data;
  const root = parentElement.querySelector(".curve");
  if (root.chart && root.chartName !== name) {
    root.chart.end();
    root.chart = null;
  }
  if (!root.chart) {
    if (!hub.states.has(name)) hub.states.set(name, freshState());
    root.chart = new Chart(root, hub.states.get(name));
    root.chartName = name;
  }
  const { chart } = root;
  hub.charts.set(name, chart);
  chart.configure(data);
  const known = hub.data.get(name);
  if (known && chart.data !== known.data) chart.setData(known.data);
  return () => {
    chart.end();
    root.chart = null;
    if (hub.charts.get(name) === chart) hub.charts.delete(name);
  };
}
