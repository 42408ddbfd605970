// Charts as SVG, drawn by hand: a few bars and two lines need no library. Sizes are attributes and classes, never styles.
// What a chart shows stands beside it as text or as a table, so that nothing is for the eye alone.

import { h } from '../dom.js';

const SVG = 'http://www.w3.org/2000/svg';

/** An SVG element. */
export function s(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children.flat().filter(Boolean));
  return node;
}

/** A share of a whole, in parts side by side: `[{share, kind}]`. */
export function stack(parts) {
  let from = 0;
  const bars = parts.filter((part) => part.share > 0).map((part) => {
    const bar = s('rect', { x: from * 100, y: 0, width: part.share * 100, height: 10, class: `fill ${part.kind}` });
    from += part.share;
    return bar;
  });
  return s('svg', { class: 'stack', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, s('rect', { x: 0, y: 0, width: 100, height: 10, class: 'ground' }), bars);
}

/** One bar of a list of bars. */
export function bar(share, kind = 'accent') {
  return stack([{ share: Math.max(0, Math.min(1, share)), kind }]);
}

/** An interval on a scale that ends at `most`, what was seen, and a limit. */
export function interval({ low, high, seen, limit, most }) {
  const x = (share) => Math.min(100, (share / most) * 100);
  return s(
    'svg',
    { class: 'interval', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { x: 0, y: 4.5, width: 100, height: 1, class: 'ground' }),
    s('rect', { x: x(low), y: 2, width: Math.max(0.5, x(high) - x(low)), height: 6, class: `fill ${low > limit ? 'bad' : 'accent'}` }),
    s('rect', { x: Math.max(0, x(seen) - 0.4), y: 0, width: 0.8, height: 10, class: 'fill mark' }),
    limit > 0 && limit <= most ? s('rect', { x: x(limit) - 0.2, y: 0, width: 0.4, height: 10, class: 'fill limit' }) : null,
  );
}

/** The next round number: 1, 2 or 5 with zeros. */
export function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9));
}

/** Points of a line through `values`, each in the middle of its step. */
export function points(values, count, most, width, height) {
  return values.map((value, at) => `${(((at + 0.5) / count) * width).toFixed(1)},${(height - (value / most) * height).toFixed(1)}`).join(' ');
}

const WIDTH = 600;
const HEIGHT = 150;

/** A line over time with its scale: `{values, kind, label, top}`. `ends` are the words at both ends of the time. */
export function line({ values, kind, label, top, ends }) {
  const most = roundUp(Math.max(...values, 0));
  const drawn = values.length === 1 ? [values[0], values[0]] : values;
  const path = points(drawn, drawn.length, most, WIDTH, HEIGHT);
  const first = path.split(' ')[0].split(',')[0];
  const last = path.split(' ').at(-1).split(',')[0];
  const svg = s(
    'svg',
    { class: 'line', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    [0, 0.5, 1].map((share) => s('line', { x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share, class: 'grid' })),
    s('polygon', { points: `${first},${HEIGHT} ${path} ${last},${HEIGHT}`, class: `area ${kind}` }),
    s('polyline', { points: path, class: `stroke ${kind}` }),
  );
  return h('figure', { class: 'chart' }, h('figcaption', {}, label), h('div', { class: 'chart-box' }, h('p', { class: 'scale', 'aria-hidden': 'true' }, h('span', {}, top(most)), h('span', {}, top(most / 2)), h('span', {}, '0')), svg), h('p', { class: 'ends' }, h('span', {}, ends[0]), h('span', {}, ends[1])));
}
