// Cards with the same fault: a reviewer looks at some of them, then decides all at once. That is what makes a week a day, and
// what makes a mistake large: so samples are opened one at a time, and the number is said before it counts.

import { issuesOf, keyOf } from './answer.js';
import { requestId } from './api.js';
import { confirm } from './dialogs.js';
import { freshId, h, kbd, only } from './dom.js';
import { remarks, shownNode } from './values.js';

export const SAMPLES = 5;

/** How many samples are still to be opened. Cards that were set apart do not count, neither do they get the decision. */
export function samplesMissing(members, opened, apart) {
  const inside = members.filter((key) => !apart.has(key));
  const seen = inside.filter((key) => opened.has(key)).length;
  return Math.max(0, Math.min(SAMPLES, inside.length) - seen);
}

export class ClusterView {
  /** `desk`: words, label, findingText, ask(method, body), announce, and group, which is told of the end. */
  constructor(desk, work) {
    Object.assign(this, { desk, work, members: [], opened: new Map(), apart: new Set(), choice: null, request: requestId() });
    this.node = h('section', { class: 'cluster', 'aria-busy': 'true' });
  }

  get reviews() {
    return this.members;
  }

  async start() {
    this.#show();
    try {
      const answer = await this.desk.ask('cluster', { review: this.work.review });
      this.members = answer.members ?? [];
      this.work.epoch = answer.epoch ?? this.work.epoch;
      this.work.token = answer.token ?? this.work.token;
      await this.openNext();
    } catch (error) {
      this.desk.announce(this.desk.words.say(error.reason === 'NO_CLUSTER' ? 'alike.gone' : 'error.call', { message: error.message }));
      this.leave();
    }
  }

  /** Opens the next sample. */
  async openNext() {
    const next = this.members.find((review) => !this.opened.has(keyOf(review)));
    if (!next || this.opening) return;
    this.opening = true;
    const missing = this.#missing();
    try {
      const { card } = await this.desk.ask('open', { review: next });
      this.opened.set(keyOf(next), { review: next, issue: issuesOf(card)[0], card });
    } catch (error) {
      // Somebody took it meanwhile: it is no member any more.
      if (error.reason !== 'REVIEW_TAKEN' && error.status !== 404) throw error;
      this.members = this.members.filter((one) => one !== next);
    } finally {
      this.opening = false;
    }
    this.#show();
    // With enough samples Enter is for the decision, no longer for the next one.
    const enough = missing > 0 && this.#missing() === 0;
    this.node.querySelector(enough ? 'h1' : '[data-next]:not([disabled])')?.focus();
    const row = this.opened.get(keyOf(next));
    if (row) this.desk.announce(this.desk.words.say('alike.opened', { n: this.opened.size, value: row.issue?.value ?? '' }));
  }

  select(index) {
    if (index < this.#proposals()) this.#take(index);
  }

  keep() {
    this.#take('keep');
  }

  /** Enter: the next sample while some are missing, then the decision. */
  async accept() {
    const { words } = this.desk;
    const missing = this.#missing();
    if (missing > 0) {
      if (this.choice !== null) only(this.problem, words.say('alike.missing', { n: missing }));
      await this.openNext();
      return;
    }
    if (this.choice === null) {
      only(this.problem, words.say('problem.choose'));
      return;
    }
    const members = this.#inside();
    const what = this.choice === 'keep' ? words.say('alike.confirm_keep', { n: members.length }) : words.say('alike.confirm', { n: members.length, k: this.choice + 1 });
    const yes = await confirm(words, words.say('alike.confirm_title', { n: members.length }), what, words.say('alike.decide', { n: members.length }));
    if (!yes) return;
    const body = { request_id: this.request, members };
    if (this.choice !== 'keep') body.proposal = this.choice;
    this.node.setAttribute('aria-busy', 'true');
    try {
      const answer = await this.desk.ask('decide_cluster', body);
      this.desk.group.done(this.work, answer, members.length, this.members.filter((review) => this.apart.has(keyOf(review))));
    } catch (error) {
      this.node.removeAttribute('aria-busy');
      // A refused call was not taken down: the next attempt is another call.
      this.request = requestId();
      only(this.problem, words.say(error.reason === 'SAMPLES_MISSING' ? 'alike.more' : 'error.call', { message: error.message }));
    }
  }

  leave() {
    this.desk.group.left(this.work, this.members);
  }

  /** In other words. */
  reword() {
    this.#show();
  }

  #take(choice) {
    this.choice = choice;
    for (const [value, radio] of this.radios ?? []) radio.checked = value === choice;
    only(this.problem, '');
  }

  #inside() {
    return this.members.filter((review) => !this.apart.has(keyOf(review)));
  }

  #missing() {
    return samplesMissing(this.members.map(keyOf), this.opened, this.apart);
  }

  #proposals() {
    return Math.max(0, ...[...this.opened.values()].map((row) => row.card.findings?.[0]?.proposals?.length ?? 0));
  }

  #show() {
    const { words } = this.desk;
    const count = this.#inside().length;
    const missing = this.#missing();
    const finding = this.work.card.findings?.[0];
    const id = freshId('cluster');
    if (this.members.length) this.node.removeAttribute('aria-busy');
    this.node.setAttribute('aria-labelledby', id);
    this.problem = h('p', { class: 'problem', role: 'alert' });
    const rest = this.members.length - this.opened.size;
    only(
      this.node,
      h('div', { class: 'cluster-head' },
        h('div', {},
          h('h1', { id, tabindex: '-1' }, this.members.length ? words.say('alike.title', { n: count }) : words.say('alike.loading')),
          finding && h('p', { class: 'quiet' }, this.desk.findingText(this.work, finding))),
        h('button', { type: 'button', on: { click: () => this.leave() } }, words.say('alike.leave'), kbd('Esc'))),
      missing > 0 && h('p', {}, words.say('alike.how', { n: Math.min(SAMPLES, count) })),
      this.opened.size > 0 && this.#table(),
      h('div', { class: 'cluster-more' },
        h('button', { type: 'button', class: missing > 0 ? 'primary' : '', data: { next: '' }, disabled: rest <= 0, on: { click: () => this.openNext() } }, words.say('alike.next'), missing > 0 && kbd('Enter')),
        h('progress', { max: String(Math.min(SAMPLES, count) || 1), value: String(Math.min(SAMPLES, count) - missing), 'aria-label': words.say('alike.progress') }),
        h('span', { class: 'quiet' }, missing > 0 ? words.say('alike.missing', { n: missing }) : words.say('alike.enough'))),
      this.opened.size > 0 && this.#options(),
      this.problem,
      h('div', { class: 'buttons' },
        h('button', { type: 'button', class: missing > 0 ? '' : 'primary', disabled: missing > 0, on: { click: () => this.accept() } }, words.say('alike.decide', { n: count }), missing === 0 && kbd('Enter'))),
    );
  }

  #table() {
    const { words } = this.desk;
    const proposals = this.#proposals();
    const heads = ['alike.col.record', 'alike.col.now'].map((key) => words.say(key));
    for (let index = 0; index < proposals; index += 1) heads.push(words.say('alike.col.proposal', { n: index + 1 }));
    heads.push(words.say('alike.col.beside'), words.say('alike.col.apart'));
    return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.say('alike.samples') },
      h('table', {},
        h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
        h('tbody', {}, [...this.opened.values()].map((row) => this.#row(row, proposals)))));
  }

  #row({ review, issue, card }, proposals) {
    const { words } = this.desk;
    const key = keyOf(review);
    const mine = review.seq === this.work.review.seq && review.job_id === this.work.review.job_id;
    const cells = [];
    for (let index = 0; index < proposals; index += 1) {
      const proposal = card.findings?.[0]?.proposals?.[index];
      cells.push(h('td', { data: { head: words.say('alike.col.proposal', { n: index + 1 }) } }, proposal === undefined ? '—' : [shownNode(words, this.#field(issue), issue.value, proposal, 'after'), remarks(words, proposal, issue.value).map((text) => h('span', { class: 'remark' }, text))]));
    }
    const others = (card.fields ?? []).filter((field) => !field.at_issue && field.value !== '');
    return h('tr', { class: this.apart.has(key) ? 'apart' : '' },
      h('th', { scope: 'row' }, `#${review.seq}`),
      h('td', { data: { head: words.say('alike.col.now') } }, shownNode(words, this.#field(issue), issue.value, card.findings?.[0]?.proposals?.[0] ?? issue.value, 'before', { spoken: false })),
      cells,
      h('td', { class: 'bearing', data: { head: words.say('alike.col.beside') } }, others.map((field) => h('span', {}, h('span', { class: 'quiet' }, `${this.desk.label(this.work, field.name)}: `), shownNode(words, this.desk.field(this.work, field.name), field.value, field.value, 'after', { spoken: false })))),
      h('td', {}, mine ? words.say('alike.this') : h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: this.apart.has(key), on: { change: (event) => this.#setApart(key, event.target.checked) } }), words.say('alike.apart'))));
  }

  #field(issue) {
    return this.desk.field(this.work, issue.field);
  }

  #setApart(key, apart) {
    if (apart) this.apart.add(key);
    else this.apart.delete(key);
    this.#show();
  }

  #options() {
    const { words } = this.desk;
    const name = freshId('all');
    this.radios = [];
    const row = (value, key, text) => {
      const radio = h('input', { type: 'radio', name, on: { change: () => this.#take(value) } });
      radio.checked = this.choice === value;
      this.radios.push([value, radio]);
      return h('div', { class: 'option' }, h('label', {}, radio, kbd(key), text));
    };
    const rows = [];
    for (let index = 0; index < this.#proposals(); index += 1) rows.push(row(index, String(index + 1), words.say('alike.take', { n: index + 1 })));
    rows.push(row('keep', '0', words.say('alike.keep')));
    return h('fieldset', { class: 'options inline' }, h('legend', {}, words.say('alike.choose')), rows);
  }
}
