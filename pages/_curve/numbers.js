// Ticks, words for numbers, smoothing, searching: functions of their arguments alone.

/** The largest of 1, 2, 5 times a power of ten that cuts `span` into at least `count` parts, or nearly so. */
export function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const part = rough / power;
  return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

/** Whether two values differ by rounding only: smoothing one value may give its neighbour, and no tick fits between. */
function isFlat(low, high) {
  return high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
}

/** Round values from `low` to `high`, about `count` of them; `whole` allows whole numbers only. */
export function ticks(low, high, count, whole = false) {
  if (!(high > low) || isFlat(low, high)) return Number.isFinite(low) ? [low] : [];
  let step = niceStep(high - low, count);
  if (whole) step = Math.max(1, Math.round(step));
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(tidy(k * step));
  return found;
}

/** Powers of ten (and 2 and 5 times them where there is room) from `low` to `high`; `low` above 0. */
export function logTicks(low, high, count) {
  if (!(low > 0) || !(high > low)) return low > 0 ? [low] : [];
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const decades = Math.log10(high / low);
  const parts = decades > count ? [1] : decades > count / 3 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const found = [];
  for (let power = first; power <= last; power++) {
    if (parts.length === 1 && power % every) continue;
    for (const part of parts) {
      const value = tidy(part * 10 ** power);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
    }
  }
  return found.length >= 2 ? found : ticks(low, high, count).filter((value) => value > 0);
}

function tidy(value) {
  return Number(value.toPrecision(12));
}

/** A tick's label: 0.25, 1.5k, 100k, 2M; `step` is the distance of ticks, which says how many digits tell them apart. */
export function tickLabel(value, step) {
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit && (unit > 1e3 || size >= 1e4)) return tidy(Number((value / unit).toFixed(places(step / unit)))) + letter;
  }
  if (size !== 0 && size < 1e-4) return value.toExponential(0);
  return value.toFixed(places(step));
}

function places(step) {
  const needed = step > 0 ? Math.ceil(-Math.log10(step) - 1e-9) : 3;
  return Math.min(8, Math.max(0, needed));
}

/** A value in up to five significant digits, as it was sent; "–" for a hole. */
export function valueText(value, format) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (format === "percent") return `${Number((100 * value).toPrecision(5))} %`;
  return String(Number(value.toPrecision(5)));
}

export function wholeText(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Exponential moving average with its start corrected for bias; holes stay holes. `weight` 0: the values themselves. */
export function smooth(values, weight) {
  if (!(weight > 0)) return values;
  let sum = 0, mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}

/** Index of the entry of the ascending `xs` that is nearest to `x`; -1 when there is none. */
export function nearest(xs, x) {
  if (!xs.length) return -1;
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle; else high = middle;
  }
  return x - xs[low] <= xs[high] - x ? low : high;
}

/** `count` positions from the differences that were sent; where those are fewer, the last one repeats. */
export function undoDifferences(differences, count) {
  let sum = 0;
  return Array.from({ length: count }, (_, i) => (sum += differences[Math.min(i, differences.length - 1)]));
}

/** First and last position of all series, [0, 1] without any. */
export function fullRange(series) {
  let low = Infinity, high = -Infinity;
  for (const { x } of series) {
    if (x.length) { low = Math.min(low, x[0]); high = Math.max(high, x[x.length - 1]); }
  }
  if (!(high >= low)) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

/** `view` (null: everything) made `factor` times as wide around `centre`; null again when that shows everything. */
export function zoomed(view, full, factor, centre) {
  const [low, high] = view || full;
  const narrowest = Math.min(2, full[1] - full[0]);
  const width = Math.max(narrowest, (high - low) * factor);
  if (width >= full[1] - full[0]) return null;
  const share = high > low ? (centre - low) / (high - low) : 0.5;
  return moved([centre - share * width, centre + (1 - share) * width], full, 0);
}

/** `view` shifted by `distance`, stopped at the ends of `full`. */
export function moved(view, full, distance) {
  if (!view) return null;
  const width = view[1] - view[0];
  const low = Math.min(Math.max(view[0] + distance, full[0]), Math.max(full[0], full[1] - width));
  return [low, low + width];
}

/** Lowest and highest value to be drawn between `from` and `to`, with a margin; above 0 on a logarithmic axis. */
export function valueRange(lists, from, to, log, limits) {
  let low = Infinity, high = -Infinity;
  for (const { x, values } of lists) {
    for (let i = 0; i < x.length; i++) {
      const value = values[i];
      if (x[i] < from || x[i] > to || value === null || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(high >= low)) return log ? [0.1, 1] : [0, 1];
  if (isFlat(low, high)) low = high;
  if (log) return high > low ? [low / (high / low) ** 0.05, high * (high / low) ** 0.05] : [low / 2, high * 2];
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
  const [least, most] = limits || [null, null];
  const bottom = least !== null && low >= least ? Math.max(least, low - margin) : low - margin;
  const top = most !== null && high <= most ? Math.min(most, high + margin) : high + margin;
  return top > bottom ? [bottom, top] : [bottom - margin, bottom + margin];
}
