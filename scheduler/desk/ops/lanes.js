// What is ahead of the machines and of the people, each for itself: one may be through long before the other.

import { h } from '../dom.js';
import { bar } from './charts.js';
import { ended, facts, numbers, span } from './parts.js';

/** Whether what is left fits: a word with a mark, never a colour alone. */
function verdict(words, job, left, none) {
  if (left === 0) return h('p', { class: 'verdict good' }, '✓ ', words.say('ops.lane.through'));
  if (ended(job)) return null;
  if (left === undefined) return h('p', { class: 'verdict quiet' }, none);
  if (job.deadline_in === undefined) return null;
  const spare = job.deadline_in - left;
  if (spare >= 0) return h('p', { class: 'verdict good' }, '✓ ', words.say('ops.lane.in_time', { span: span(words, spare) }));
  return h('p', { class: 'verdict bad' }, '! ', words.say('ops.lane.late', { span: span(words, -spare) }));
}

function lane({ title, share, said, shown, rows }) {
  return h('article', { class: 'lane' }, h('h3', {}, title), h('p', { class: 'big' }, said), bar(share), shown, facts(rows));
}

/** The machines. */
export function automatic(words, job) {
  const { count, percent, rate } = numbers(words);
  const { progress } = job;
  const share = progress.records ? 1 - progress.pending / progress.records : 0;
  const left = progress.pending === 0 && job.state !== 'importing' ? 0 : progress.left;
  const running = left !== 0 && !ended(job);
  const short = Math.max(0, progress.workers_wanted - progress.workers);
  return lane({
    title: words.say('ops.lane.automatic'),
    share,
    said: [h('strong', {}, percent(share)), ' ', words.say('ops.lane.settled', { n: progress.records - progress.pending, records: progress.records })],
    shown: verdict(words, job, left, words.say('ops.lane.nobody')),
    rows: [
      [words.say('ops.rate.mean'), words.say('ops.per_second', { rate: rate(progress.records_per_second) })],
      running && [words.say('ops.left'), left === undefined ? '–' : span(words, left)],
      [words.say('ops.elapsed'), span(words, progress.elapsed ?? 0)],
      running && [words.say('ops.workers'), count(progress.workers)],
      running && [words.say('ops.workers_wanted'), count(progress.workers_wanted), short ? h('span', { class: 'more' }, ` ${words.say('ops.more', { n: short })}`) : null],
    ],
  });
}

/** The people. */
export function people(words, { job, people: lane_, for_leads: forLeads }) {
  const { count, percent, rate } = numbers(words);
  const { reviews_decided: decided, reviews_open: open, reviews_rejected: rejected } = job.progress;
  const all = decided + open + lane_.to_come;
  const share = all ? decided / all : 0;
  const waits = lane_.answers_left > 0 && !ended(job);
  const left = all > 0 && lane_.answers_left === 0 ? 0 : lane_.left;
  const short = Math.max(0, (lane_.reviewers_wanted ?? 0) - lane_.reviewers);
  return lane({
    title: words.say('ops.lane.people'),
    share,
    said: [h('strong', {}, percent(share)), ' ', words.say('ops.lane.decided', { n: decided, all })],
    shown: all === 0 ? h('p', { class: 'verdict quiet' }, words.say('ops.lane.nothing')) : verdict(words, job, left, words.say('ops.lane.no_answers')),
    rows: [
      [words.say('ops.rate.lately'), words.say('ops.per_minute', { rate: rate(lane_.answers_per_second * 60) })],
      waits && [words.say('ops.left'), lane_.left === undefined ? '–' : span(words, lane_.left)],
      [words.say('ops.reviews.open'), count(open), forLeads ? h('span', { class: 'quiet' }, ` ${words.say('ops.reviews.leads', { n: forLeads })}`) : null],
      waits && lane_.to_come > 0 && [words.say('ops.reviews.to_come'), `≈ ${count(lane_.to_come)}`],
      waits && [words.say('ops.answers_left'), `≈ ${count(lane_.answers_left)}`],
      rejected > 0 && [words.say('ops.reviews.rejected'), count(rejected)],
      waits && [words.say('ops.reviewers'), count(lane_.reviewers)],
      waits && lane_.reviewers_wanted !== undefined && [words.say('ops.reviewers_wanted'), count(lane_.reviewers_wanted), short ? h('span', { class: 'more' }, ` ${words.say('ops.more', { n: short })}`) : null],
      lane_.automatic !== undefined && [words.say('ops.automatic'), percent(lane_.automatic)],
      waits && short > 0 && lane_.automatic_wanted !== undefined && [words.say('ops.automatic_wanted'), percent(lane_.automatic_wanted)],
    ],
  });
}
