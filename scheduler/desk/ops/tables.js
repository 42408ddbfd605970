// The tables of a job's page.

import { h } from '../dom.js';
import { bar, interval } from './charts.js';
import { badge, numbers, table } from './parts.js';

const nothing = (text) => h('p', { class: 'quiet' }, text);
/** Below this many judged answers a share says little. */
const FEW = 10;
/** Whoever did nothing for so long is idle. */
const IDLE_SECONDS = 5 * 60;

/** Who is on shift: the idle ones first, since that is what somebody may do something about. */
export function reviewers(words, list) {
  const { count, percent } = numbers(words);
  if (!list.length) return nothing(words.say('ops.shift.none'));
  const idle = (one) => one.idle === undefined || one.idle >= IDLE_SECONDS;
  const busy = list.filter((one) => !idle(one)).length;
  const most = Math.max(1, ...list.map((one) => one.hour));
  const sorted = [...list].sort((a, b) => (b.idle ?? Infinity) - (a.idle ?? Infinity) || (a.reviewer < b.reviewer ? -1 : 1));
  const share = (n, all) => {
    if (!all) return h('span', { class: 'quiet' }, '–');
    return [percent(n / all), h('span', { class: 'remark' }, words.say('ops.shift.of', { n, all }), all < FEW ? ` (${words.say('ops.shift.few')})` : '')];
  };
  const columns = [
    { head: words.say('ops.shift.name'), cell: (one) => [h('bdi', {}, one.reviewer), one.paused ? [' ', badge(words.say('ops.shift.paused'), 'warn')] : null] },
    { head: words.say('ops.shift.hour'), kind: 'wide', cell: (one) => [bar(one.hour / most), h('span', { class: 'remark' }, count(one.hour))] },
    { head: words.say('ops.shift.day'), kind: 'number', cell: (one) => count(one.day) },
    { head: words.say('ops.shift.held'), kind: 'number', cell: (one) => count(one.held) },
    { head: words.say('ops.shift.idle'), kind: 'number', cell: (one) => [idle(one) ? [badge(words.say('ops.shift.is_idle'), 'warn'), ' '] : null, one.idle === undefined ? '–' : words.span(one.idle)] },
    { head: words.say('ops.shift.wrong'), kind: 'number', cell: (one) => share(one.overruled, one.judged) },
    { head: words.say('ops.shift.known'), kind: 'number', cell: (one) => share(one.known_wrong, one.known) },
  ];
  return [h('p', { class: 'lead' }, words.say('ops.shift.count', { n: list.length, busy, idle: list.length - busy })), h('div', { class: 'tall' }, table(words.say('ops.shift'), columns, sorted))];
}

/** How often rules are wrong, as far as people have looked. */
export function quality(words, list, job) {
  const { count, percent } = numbers(words);
  if (!list.length) return nothing(words.say(job.sample > 0 ? 'ops.quality.none_yet' : 'ops.quality.none'));
  const most = Math.min(1, Math.max(job.error_limit * 2, ...list.map((rule) => rule.high)));
  const columns = [
    { head: words.say('ops.quality.rule'), cell: (rule) => [h('bdi', {}, rule.rule), rule.paused ? h('span', { class: 'remark' }, badge(words.say('ops.quality.paused'), 'warn')) : null] },
    { head: words.say('ops.quality.sampled'), kind: 'number', cell: (rule) => count(rule.sampled) },
    { head: words.say('ops.quality.wrong'), kind: 'number', cell: (rule) => count(rule.wrong) },
    { head: words.say('ops.quality.share'), kind: 'number', cell: (rule) => percent(rule.sampled ? rule.wrong / rule.sampled : 0) },
    { head: words.say('ops.quality.interval'), kind: 'wide', cell: (rule) => [interval({ ...rule, seen: rule.sampled ? rule.wrong / rule.sampled : 0, limit: job.error_limit, most }), h('span', { class: 'remark' }, `${percent(rule.low)} – ${percent(rule.high)}`)] },
  ];
  return [h('p', { class: 'lead' }, words.say('ops.quality.lead', { limit: percent(job.error_limit) })), table(words.say('ops.quality'), columns, list)];
}

/** Workers that hold units now, of whatever job. */
export function workers(words, { workers: list, more_workers: more }) {
  const { count } = numbers(words);
  if (!list.length) return nothing(words.say('ops.workers.none'));
  const columns = [
    { head: words.say('ops.workers.name'), cell: (one) => h('bdi', { class: 'id' }, one.worker) },
    { head: words.say('ops.workers.units'), kind: 'number', cell: (one) => count(one.units) },
    { head: words.say('ops.workers.records'), kind: 'number', cell: (one) => count(one.records) },
    { head: words.say('ops.workers.lease'), kind: 'number', cell: (one) => words.span(one.expires_in ?? 0) },
  ];
  return [table(words.say('ops.workers.now'), columns, list), more ? nothing(words.say('ops.workers.more')) : null];
}

/** Units by state as bars, and those that somebody may want to look at. */
export function units(words, list, progress) {
  const { count } = numbers(words);
  const states = ['ready', 'leased', 'done', 'set_aside'];
  const all = states.reduce((sum, state) => sum + progress[`units_${state}`], 0) || 1;
  const row = (state) => h('li', {}, h('span', { class: 'bar-name' }, words.say(`ops.unit.${state}`)), h('span', { class: 'bar-count' }, count(progress[`units_${state}`])), bar(progress[`units_${state}`] / all, state === 'set_aside' ? 'bad' : 'accent'));
  const columns = [
    { head: words.say('ops.units.unit'), cell: (unit) => [`${unit.unit}`, unit.state === 'set_aside' ? h('span', { class: 'remark' }, badge(words.say('ops.unit.set_aside'), 'warn')) : null] },
    { head: words.say('ops.units.records'), cell: (unit) => `${count(unit.first_seq)}–${count(unit.last_seq)}` },
    { head: words.say('ops.units.progress'), kind: 'wide', cell: (unit) => [bar(unit.progress / (unit.last_seq - unit.first_seq + 1)), h('span', { class: 'remark' }, h('bdi', { class: 'id' }, unit.worker || '–'))] },
    { head: words.say('ops.units.attempts'), kind: 'number', cell: (unit) => count(unit.attempts_left) },
  ];
  return [h('ul', { class: 'bars' }, states.map(row)), list.length ? h('div', { class: 'tall short' }, table(words.say('ops.units'), columns, list)) : null];
}

/** Records on which the rules gave up: where they are, not what stands in them. */
export function failedList(words, count, found) {
  if (!count) return nothing(words.say('ops.failed.none'));
  const columns = [
    { head: words.say('ops.failed.key'), cell: (record) => h('bdi', { class: 'id' }, record.key) },
    { head: words.say('ops.failed.row'), kind: 'number', cell: (record) => numbers(words).count(record.row) },
  ];
  return [h('p', { class: 'lead' }, words.say('ops.failed.count', { n: count })), found ? h('div', { class: 'tall short' }, table(words.say('ops.failed'), columns, found.records)) : null, found?.more ? nothing(words.say('ops.failed.more')) : null];
}
