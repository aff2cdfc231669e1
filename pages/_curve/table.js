// The values as a table: the text alternative to the picture.

import { nearest, valueText, wholeText } from "./numbers.js";
import { element } from "./chart.js";

const MOST_ROWS = 50;

/** Fill the chart's table: the last epochs, or the last steps while no epoch has ended. */
export function fillTable(chart) {
  const { scroll, data } = chart;
  const at = scroll.scrollTop;
  const byEpoch = data.series.find(({ kind, x }) => kind === "epochs" && x.length);
  const lead = byEpoch || data.series.find(({ x }) => x.length);
  const table = element("table", "", "");
  const steps = lead ? lead.x.slice(-MOST_ROWS) : [];
  table.append(element("caption", "", captionOf(lead, byEpoch)), headOf(data));
  const body = table.appendChild(element("tbody", "", ""));
  steps.forEach((step, k) => {
    const before = k > 0 ? steps[k - 1] : lead.x[lead.x.length - steps.length - 1] ?? -Infinity;
    const row = body.appendChild(element("tr", "", ""));
    if (data.stepsPerEpoch) row.append(element("td", "", String(Number((step / data.stepsPerEpoch).toFixed(2)))));
    row.append(element("td", "", wholeText(step)));
    for (const series of data.series) row.append(element("td", "", valueText(valueFor(series, before, step), data.format)));
  });
  scroll.replaceChildren(table);
  scroll.scrollTop = at;
}

function captionOf(lead, byEpoch) {
  if (!lead) return "No values yet.";
  const part = lead.x.length > MOST_ROWS ? `The last ${MOST_ROWS} of ${lead.x.length}` : "All";
  return byEpoch ? `${part} epochs; steps are averaged over each epoch.` : `${part} points.`;
}

function headOf(data) {
  const head = element("thead", "", ""), row = head.appendChild(element("tr", "", ""));
  const names = [...(data.stepsPerEpoch ? ["Epoch"] : []), "Step", ...data.series.map(({ name }) => name)];
  for (const name of names) {
    const cell = row.appendChild(element("th", "", name));
    cell.scope = "col";
  }
  return head;
}

/** The series' value at `step`; of a series of steps the mean over the points after `before` up to `step`. */
function valueFor(series, before, step) {
  if (series.kind === "epochs") {
    const index = nearest(series.x, step);
    return index >= 0 && series.x[index] === step ? series.y[index] : null;
  }
  const values = series.y.filter((value, i) => value !== null && series.x[i] > before && series.x[i] <= step);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
