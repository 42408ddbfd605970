// One job: how far it is, what is ahead, and what it is made of.

import { h, only } from '../dom.js';
import { bar, line } from './charts.js';
import { automatic, people } from './lanes.js';
import { deadline, ended, guards, legend, numbers, Section, span, state, verdictBar } from './parts.js';
import { failedList, quality, reviewers, units, workers } from './tables.js';

/** Bars that are shown at once; the rest is a click away. */
const BARS = 12;

export class JobPage {
  constructor(words, { failed }) {
    this.words = words;
    this.askFailed = failed;
    this.title = words.say('ops.job');
    this.head = h('div', { class: 'job-head' }, h('p', { class: 'quiet' }, words.say('ops.loading')));
    const section = (key, props) => new Section(words.say(key), props);
    this.sections = {
      records: section('ops.records', { class: 'whole' }),
      lanes: section('ops.ahead', { class: 'whole' }),
      pace: section('ops.pace', { class: 'whole' }),
      reviewers: section('ops.shift', { class: 'whole' }),
      findings: section('ops.findings'),
      rules: section('ops.rules'),
      quality: section('ops.quality', { class: 'whole' }),
      workers: section('ops.workers.now'),
      units: section('ops.units'),
      failed: section('ops.failed', { class: 'whole' }),
    };
    this.grid = h('div', { class: 'panels', hidden: true }, Object.values(this.sections).map((one) => one.node));
    this.node = h('div', { class: 'ops-page' }, h('p', { class: 'back' }, h('a', { href: '/ops' }, `← ${words.say('ops.jobs')}`)), this.head, this.grid);
  }

  missing() {
    only(this.head, h('h1', {}, this.words.say('ops.no_job')));
  }

  show(answer) {
    const { words, sections } = this;
    const { job } = answer;
    this.title = job.name;
    this.#head(job);
    this.grid.hidden = false;
    sections.records.show(job.progress, (progress) => [verdictBar(progress), legend(words, progress)]);
    const ahead = { job, people: answer.people, for_leads: answer.for_leads };
    sections.lanes.show(ahead, () => h('div', { class: 'lanes' }, automatic(words, job), people(words, ahead)));
    sections.pace.show([answer.pace, ended(job)], () => this.#pace(answer.pace, ended(job)));
    const open = Object.fromEntries(answer.open_by_finding.map((one) => [one.name, one.count]));
    sections.findings.show([answer.findings, open], () => this.#bars(answer.findings, (one) => this.#finding(one, answer.texts, open)));
    sections.rules.show(answer.rules, (rules) => this.#bars(rules, (one) => h('bdi', {}, one.name)));
    sections.reviewers.show(answer.reviewers, (list) => reviewers(words, list));
    sections.quality.show([answer.quality, job.error_limit], () => quality(words, answer.quality, job));
    sections.workers.show([answer.workers, answer.more_workers], () => workers(words, answer));
    sections.units.show([answer.units, job.progress], () => units(words, answer.units, job.progress));
    this.#failed(job.progress.failed);
  }

  #head(job) {
    const { words } = this;
    const notes = guards(words, job);
    const shown = JSON.stringify([job.name, state(words, job).map((flag) => flag?.textContent), notes, deadline(words, job)]);
    if (shown === this.headShown) return;
    this.headShown = shown;
    const facts = [job.pack, ended(job) ? null : `${words.say('ops.deadline')}: ${deadline(words, job)}`, words.say('ops.age', { span: words.span(job.age ?? 0) })];
    only(this.head, h('h1', {}, h('bdi', {}, job.name)), h('span', { class: 'badges' }, state(words, job)), h('p', { class: 'quiet' }, facts.filter(Boolean).join(' · ')), notes.length ? h('ul', { class: 'guards' }, notes.map((note) => h('li', {}, note))) : null);
  }

  #pace({ step, records, answers }, over) {
    const { words } = this;
    const { rate } = numbers(words);
    // The last step has only begun: its rate would always be a fall.
    const whole = (values) => (values.length > 1 && !over ? values.slice(0, -1) : values);
    const ends = [words.say('ops.pace.from', { span: span(words, step * records.length) }), over ? words.say('ops.pace.end') : words.say('ops.pace.now')];
    return h(
      'div',
      { class: 'charts' },
      line({ values: whole(records).map((count) => count / step), kind: 'corrected', label: words.say('ops.pace.records'), top: rate, ends }),
      line({ values: whole(answers).map((count) => (count / step) * 60), kind: 'routed', label: words.say('ops.pace.answers'), top: rate, ends }),
    );
  }

  #finding({ name }, texts, open) {
    const text = texts[name]?.[this.words.language];
    const waits = open[name] ? h('span', { class: 'quiet' }, ` ${this.words.say('ops.findings.open', { n: open[name] })}`) : null;
    return [text ?? name, h('span', { class: 'remark' }, text ? h('code', {}, name) : null, waits)];
  }

  #bars(list, name) {
    const { words } = this;
    const { count } = numbers(words);
    if (!list.length) return h('p', { class: 'quiet' }, words.say('ops.none_yet'));
    const most = list[0].count || 1;
    const row = (one) => h('li', {}, h('span', { class: 'bar-name' }, name(one)), h('span', { class: 'bar-count' }, count(one.count)), bar(one.count / most));
    const rest = list.slice(BARS);
    return [h('ul', { class: 'bars' }, list.slice(0, BARS).map(row)), rest.length ? h('details', {}, h('summary', {}, words.say('ops.bars.more', { n: rest.length })), h('ul', { class: 'bars' }, rest.map(row))) : null];
  }

  /** The keys are asked for when there are more of them than before. */
  #failed(count) {
    const { words, sections } = this;
    const show = (found) => sections.failed.show([count, found], () => failedList(words, count, found));
    if (count === 0) show(null);
    else if (count !== this.failedCount) this.askFailed().then(show, () => { this.failedCount = undefined; });
    this.failedCount = count;
  }
}
