// Hands new data to the chart of that name, or keeps it until the chart is there. Data that did not change costs nothing.
export default function feed({ data }) {
  const hub = (globalThis[Symbol.for("cnnapp.curve")] ??= { charts: new Map(), data: new Map(), states: new Map() });
  const text = new TextDecoder().decode(data);
  const split = text.indexOf("\n");
  const name = JSON.parse(text.slice(0, split));
  if (hub.data.get(name)?.text !== text) {
    hub.data.set(name, { text, data: JSON.parse(text.slice(split + 1)) });
    hub.charts.get(name)?.setData(hub.data.get(name).data);
  }
  return () => hub.data.delete(name);
}
