// Pieces that both pages are made of.

import { h, only } from '../dom.js';
import { stack } from './charts.js';

export const VERDICTS = ['valid', 'corrected', 'routed', 'failed'];

/** Numbers as the language writes them. */
export function numbers(words) {
  const percent = new Intl.NumberFormat(words.language, { style: 'percent', maximumFractionDigits: 1 });
  const short = new Intl.NumberFormat(words.language, { maximumSignificantDigits: 3 });
  return {
    count: (value) => words.numbers.format(value),
    percent: (share) => percent.format(share),
    // Large rates are whole, small ones have two digits that say something.
    rate: (value) => (value >= 100 ? words.numbers.format(Math.round(value)) : short.format(value)),
  };
}

/** A length of time in its two largest units: `2 giờ 18 phút`. Whether a shift is late by minutes shows in the second. */
export function span(words, seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [unit, small] = whole >= 86_400 ? ['day', 'hour'] : ['hour', 'minute'];
  const size = { day: 86_400, hour: 3600, minute: 60 };
  if (whole < 3600) return words.span(whole);
  const rest = Math.floor((whole % size[unit]) / size[small]);
  const say = (value, name) => new Intl.NumberFormat(words.language, { style: 'unit', unit: name, unitDisplay: 'long' }).format(value);
  return [say(Math.floor(whole / size[unit]), unit), rest ? say(rest, small) : null].filter(Boolean).join(' ');
}

const KEPT = '.tall, .scroll, details';
const FOCUSABLE = 'a, summary, [tabindex]';

/** Draws a part again. Where it was scrolled to, what was open and what had the focus stay, or nobody could read on. */
export function redraw(node, drawn) {
  const before = [...node.querySelectorAll(KEPT)].map((one) => [one.scrollTop, one.scrollLeft, one.open]);
  const focus = [...node.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  only(node, drawn);
  [...node.querySelectorAll(KEPT)].forEach((one, place) => {
    const [top, left, open] = before[place] ?? [0, 0, false];
    if (open) one.open = true;
    one.scrollTo(left, top);
  });
  if (focus >= 0) node.querySelectorAll(FOCUSABLE)[focus]?.focus({ preventScroll: true });
}

/** A part of the page that is drawn again only when what it shows is another: a selection in it stays, a reader keeps quiet. */
export class Section {
  constructor(title, props = {}) {
    this.body = h('div', { class: 'section-body' });
    this.heading = h('h2', {}, title);
    this.node = h('section', { ...props, class: `panel ${props.class ?? ''}` }, this.heading, this.body);
  }

  show(data, draw) {
    const shown = JSON.stringify(data);
    if (shown === this.shown) return;
    this.shown = shown;
    redraw(this.body, draw(data));
  }
}

/** A table; columns are `{head, cell, kind}`, `kind` being `number` or `wide`. On a phone each row is a small list. */
export function table(caption, columns, rows) {
  const kind = (column) => column.kind;
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h(
      'table',
      { class: 'figures' },
      h('caption', { class: 'unseen-text' }, caption),
      h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col', class: kind(column) }, column.head)))),
      h('tbody', {}, rows.map((row) => h('tr', {}, columns.map((column, place) => h(place ? 'td' : 'th', { class: kind(column), scope: place ? null : 'row', data: { head: column.head } }, column.cell(row)))))),
    ),
  );
}

/** Terms and what they are. */
export function facts(pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([term, ...said]) => h('div', {}, h('dt', {}, term), h('dd', {}, said))));
}

export function badge(text, kind = '') {
  return h('span', { class: `badge ${kind}` }, text);
}

/** The job's state, and what is special about it. */
export function state(words, job) {
  const flag = (is, key, kind) => (is ? badge(words.say(key), kind) : null);
  return [
    badge(words.say(`ops.state.${job.state}`), `state-${job.state}`),
    flag(job.paused, 'ops.paused', 'warn'),
    flag(job.awaits_approval, 'ops.awaits', 'warn'),
    flag(job.revising, 'ops.revising'),
    flag(job.gathering, 'ops.gathering'),
    flag(job.dry_run, 'ops.dry_run'),
  ];
}

/** What stops a job, or a part of it, and what to do about that; one line each. */
export function guards(words, job) {
  const { count, percent } = numbers(words);
  const trip = ({ kind, name, count: hits, records, over, routes }) => {
    const said = words.say(`ops.trip.${kind}`, { name, n: count(hits), records: count(records), over: percent(over) });
    return `${said} ${words.say(routes ? 'ops.trip.routes' : 'ops.trip.pauses')}`;
  };
  return [
    ...(job.awaits_approval ? [words.say('ops.awaits.text', { job: job.name, records: count(job.waiting) })] : []),
    ...(job.damaged_unit ? [words.say('ops.damaged.text', { job: job.name, unit: job.damaged_unit })] : []),
    ...job.withdrawn.map((version) => words.say('ops.withdrawn.text', { job: job.name, version })),
    ...job.trips.map(trip),
    ...(job.rules_off.length ? [words.say('ops.rules_off.text', { rules: job.rules_off.join(', ') })] : []),
  ];
}

/** All records of a job in one bar. */
export function verdictBar(progress) {
  const all = progress.records || 1;
  return stack(VERDICTS.map((verdict) => ({ share: progress[verdict] / all, kind: verdict })));
}

/** What the colours of that bar mean, with the counts. */
export function legend(words, progress) {
  const { count, percent } = numbers(words);
  const of = (verdict) => h('li', {}, h('span', { class: `swatch ${verdict}`, 'aria-hidden': 'true' }), `${words.say(`ops.verdict.${verdict}`)} `, h('strong', {}, count(progress[verdict])), h('span', { class: 'quiet' }, ` ${percent(progress[verdict] / (progress.records || 1))}`));
  return h('ul', { class: 'legend' }, [...VERDICTS, 'pending'].map(of));
}

/** When a deadline is, or by how much it was missed. */
export function deadline(words, job) {
  if (job.deadline_in === undefined) return words.say('ops.deadline.none');
  const key = job.deadline_in >= 0 ? 'ops.deadline.in' : 'ops.deadline.missed';
  return words.say(key, { span: span(words, Math.abs(job.deadline_in)) });
}

export const ended = (job) => job.state === 'completed' || job.state === 'cancelled';
