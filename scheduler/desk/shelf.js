// The cards in hand. The first is on the desk, the others lie ready. Pure.

import { keyOf, restore, workOf } from './answer.js';

export const HANDFUL = 3;

export class Shelf {
  constructor() {
    this.works = [];
  }

  get current() {
    return this.works[0] ?? null;
  }

  find(key) {
    return this.works.find((work) => work.key === key) ?? null;
  }

  /**
   * Takes in what the server says this reviewer holds. A card in hand keeps what is written on it and gets its new token;
   * one that is on its way out (`leaving`, by key) only gets the token. `first` names the card to lie on top. `drafts` are
   * those of this tab: newer than the server's.
   */
  merge(leases, { leaving = new Map(), first = null, drafts = {} } = {}) {
    const before = this.current;
    for (const lease of leases) {
      const key = keyOf(lease.review);
      const known = leaving.get(key) ?? this.find(key);
      if (known) {
        known.epoch = lease.epoch;
        known.token = lease.token;
        continue;
      }
      const work = workOf(lease);
      if (drafts[key]) restore(work, drafts[key]);
      this.works.push(work);
    }
    if (first) this.top(first);
    return this.current !== before;
  }

  /** Lays a card on top. */
  top(key) {
    const work = this.find(key);
    if (work) this.works = [work, ...this.works.filter((one) => one !== work)];
    return work;
  }

  put(work) {
    this.works = [work, ...this.works.filter((one) => one.key !== work.key)];
  }

  take(key) {
    const work = this.find(key);
    this.works = this.works.filter((one) => one !== work);
    return work;
  }

  get reviews() {
    return this.works.map((work) => work.review);
  }
}

/**
 * Why there is nothing to do, in the order in which it is of use: `[{why, count, seconds}]`. All numbers are the server's;
 * what they leave over is for others.
 */
export function reasons(queue) {
  if (!queue || queue.open === 0) return [{ why: 'done', count: 0 }];
  const out = [];
  const tell = (why, count, seconds) => count > 0 && out.push({ why, count, seconds });
  tell('held', queue.held ?? 0, queue.next_free_in);
  tell('later', queue.later ?? 0);
  tell('leads', queue.for_leads ?? 0);
  tell('passed', queue.passed ?? 0);
  const told = (queue.held ?? 0) + (queue.later ?? 0) + (queue.for_leads ?? 0) + (queue.passed ?? 0);
  tell('others', queue.open - told);
  return out;
}

/** Seconds until it is worth asking again: when the next card is free, but neither at once nor after a long while. */
export function pollIn(queue, random) {
  const next = queue?.next_free_in;
  const base = typeof next === 'number' ? Math.min(Math.max(next + 1, 5), 20) : 20;
  return base * (1 + random() / 4);
}
