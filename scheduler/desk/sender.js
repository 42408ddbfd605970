// Everything that takes a card out of the reviewer's hands, and what fills them again. The reviewer does not wait for it.
//
// Calls go out one after the other: a lease call gives every card in hand a new token, so an answer that was under way
// beside it would arrive with an old one.

import { HANDFUL } from './shelf.js';
import { line, persist } from './backoff.js';
import { requestId } from './api.js';

// How long a skip may be taken back before the server hears of it: a skipped card does not come again.
export const SKIP_GRACE_MS = 4000;

export class Sender {
  /** `on`: `changed()`, `filled(isNew)`, `settled(item, answer)`, `refused(item, error)`, `trouble(error, seconds)`, `well()`. */
  constructor({ api, shelf, stash, on, wait, random = Math.random, filter = {} }) {
    Object.assign(this, { api, shelf, stash, on, wait, random, filter });
    this.items = [];
    this.queue = null;
    this.inLine = line();
    this.filling = null;
    this.leasing = false;
    this.held = false;
  }

  get pending() {
    return this.items.length;
  }

  /** Whether cards were asked for: nobody knows yet whether there are any. */
  get fetching() {
    return this.filling !== null || this.leasing;
  }

  decide(work, answer) {
    const { review, epoch, token } = work;
    return this.#push({ kind: 'decide', work, body: { request_id: requestId(), review, epoch, token, answer } });
  }

  skip(work) {
    const item = this.#add({ kind: 'skip', work, body: { review: work.review } });
    item.timer = setTimeout(() => this.flush(), SKIP_GRACE_MS);
    return item;
  }

  /** Takes back a skip of which nobody has heard yet. */
  unskip(item) {
    if (item.started) return false;
    clearTimeout(item.timer);
    this.#drop(item);
    return true;
  }

  /** Sends skips now. */
  flush() {
    for (const item of this.items) {
      if (item.kind !== 'skip' || item.started) continue;
      clearTimeout(item.timer);
      item.done = this.#send(item);
    }
  }

  /** Sends again what was under way when the page was left; the server knows calls that it has seen. */
  resume(kept) {
    for (const { kind, body, key } of kept) this.#push({ kind, body, work: { key, review: body.review, epoch: body.epoch, token: body.token, card: null } });
  }

  /** Fetches cards until three are in hand. `first` is the key of the one to lie on top. */
  fill(first = null) {
    if (first) this.first = first;
    if (this.held) return Promise.resolve();
    if (this.filling) return this.filling;
    const filling = this.inLine(() => {
      this.filling = null;
      // Skips in their grace are still held: the server would only hand them out again.
      if (this.items.some((item) => item.started) || this.held) return null;
      return this.lease();
    });
    this.filling = filling;
    this.on.changed();
    return filling;
  }

  async lease() {
    const answer = await this.#try(() => this.#ask());
    if (!answer) return;
    this.queue = answer.queue ?? this.queue;
    const leaving = new Map(this.items.map((item) => [item.work.key, item.work]));
    const isNew = this.shelf.merge(answer.leases ?? [], { leaving, first: this.first, drafts: this.stash.state.drafts });
    this.first = null;
    this.stash.prune(new Set([...leaving.keys(), ...this.shelf.works.map((work) => work.key)]));
    this.on.filled(isNew);
  }

  async #ask() {
    this.leasing = true;
    try {
      return await this.api.call('lease', { ...this.filter, max_reviews: HANDFUL });
    } finally {
      this.leasing = false;
    }
  }

  /** Any other call that has to wait for its turn. Failures that pass are sat out, others are the caller's. */
  ask(method, body) {
    return this.inLine(() => this.#persist(() => this.api.call(method, body)));
  }

  #push(item) {
    this.flush();
    this.#add(item);
    item.done = this.#send(item);
    return item;
  }

  #add(item) {
    item.work.leaving = true;
    this.items.push(item);
    this.#keep();
    return item;
  }

  #send(item) {
    item.started = true;
    const turn = (task) => (item.work.ready ? item.work.ready.then(() => this.inLine(task)) : this.inLine(task));
    return turn(async () => {
      try {
        const answer = await this.#persist(() => this.#once(item));
        this.#drop(item);
        this.stash.draft(item.work.key, null);
        this.on.settled(item, answer);
        return answer;
      } catch (error) {
        // Signed out: it stays and is sent again after the next sign-in.
        if (error.status === 401) return null;
        this.#drop(item);
        this.on.refused(item, error);
        return null;
      }
    }).finally(() => this.fill());
  }

  async #once(item) {
    if (item.kind === 'decide') Object.assign(item.body, { epoch: item.work.epoch, token: item.work.token });
    try {
      return await this.api.call(item.kind, item.body);
    } catch (error) {
      if (error.reason !== 'REVIEW_TAKEN' || item.kind !== 'decide' || item.again) throw error;
      // Taken, it may be, by this reviewer's own other tab: then it is among the cards in hand, under a new token.
      item.again = true;
      const { leases } = await this.api.call('lease', { ...this.filter, max_reviews: HANDFUL });
      const mine = (leases ?? []).find((lease) => lease.review.seq === item.body.review.seq && lease.review.job_id === item.body.review.job_id);
      this.shelf.merge(leases ?? [], { leaving: new Map([[item.work.key, item.work]]) });
      if (!mine) throw error;
      return this.api.call('decide', { ...item.body, epoch: mine.epoch, token: mine.token });
    }
  }

  #drop(item) {
    item.work.leaving = false;
    this.items = this.items.filter((one) => one !== item);
    this.#keep();
  }

  #keep() {
    this.stash.outbox(this.items.map(({ kind, body, work }) => ({ kind, body, key: work.key })));
    this.on.changed();
  }

  async #try(call) {
    try {
      return await this.#persist(call);
    } catch (error) {
      this.on.refused(null, error);
      return null;
    }
  }

  async #persist(call) {
    const answer = await persist(call, {
      isPassing: (error) => error.passing,
      random: this.random,
      wait: (seconds, error) => {
        this.on.trouble(error, seconds);
        return this.wait(seconds);
      },
    });
    this.on.well();
    return answer;
  }
}
