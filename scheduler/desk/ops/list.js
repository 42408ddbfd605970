// All jobs, the newest first.

import { h } from '../dom.js';
import { deadline, ended, numbers, redraw, span, state, table, verdictBar } from './parts.js';

export class ListPage {
  constructor(words) {
    this.words = words;
    this.title = words.say('ops.jobs');
    this.body = h('div', {}, h('p', { class: 'quiet' }, words.say('ops.loading')));
    this.node = h('div', { class: 'ops-page' }, h('h1', {}, this.title), h('section', { class: 'panel' }, this.body));
  }

  missing() {}

  show({ jobs }) {
    const shown = JSON.stringify(jobs);
    if (shown === this.shown) return;
    this.shown = shown;
    redraw(this.body, jobs.length ? this.#table(jobs) : h('p', { class: 'quiet' }, this.words.say('ops.jobs.none')));
  }

  #table(jobs) {
    const { words } = this;
    const { count, percent, rate } = numbers(words);
    const columns = [
      { head: words.say('ops.job'), cell: (job) => [h('a', { href: `?job=${job.id}` }, job.name), h('span', { class: 'remark' }, job.pack)] },
      { head: words.say('ops.state'), cell: (job) => h('span', { class: 'badges' }, state(words, job)) },
      { head: words.say('ops.done'), kind: 'wide', cell: ({ progress }) => [verdictBar(progress), h('span', { class: 'remark' }, words.say('ops.done_of', { share: percent(1 - progress.pending / (progress.records || 1)), records: progress.records }))] },
      { head: words.say('ops.rate'), kind: 'number', cell: ({ progress }) => words.say('ops.per_second', { rate: rate(progress.records_per_second) }) },
      { head: words.say('ops.left'), kind: 'number', cell: ({ progress }) => (progress.left === undefined ? '–' : span(words, progress.left)) },
      { head: words.say('ops.people_left'), kind: 'number', cell: ({ progress }) => [count(progress.reviews_open), h('span', { class: 'remark' }, words.say('ops.people_decided', { n: progress.reviews_decided }))] },
      { head: words.say('ops.deadline'), cell: (job) => (ended(job) ? '–' : deadline(words, job)) },
    ];
    return table(this.title, columns, jobs);
  }
}
