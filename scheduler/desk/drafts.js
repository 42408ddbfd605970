// What is chosen or typed goes to the server while the reviewer still thinks: it outlives the tab, the laptop and the lease.

import { answerOf, changedFields } from './answer.js';

export const DRAFT_MS = 1500;

export class Drafts {
  constructor({ call, stash }) {
    this.call = call;
    this.stash = stash;
    this.timers = new Map();
  }

  /** Something was changed: to this tab at once, to the server when the hand rests. */
  changed(work) {
    this.stash.draft(work.key, draftOf(work));
    clearTimeout(this.timers.get(work.key));
    this.timers.set(work.key, setTimeout(() => this.save(work), DRAFT_MS));
  }

  /** Saves now what is not saved yet. A failure is no loss: this tab has it, and the next change tries again. */
  async save(work) {
    if (!this.timers.has(work.key)) return;
    this.forget(work.key);
    if (work.leaving) return;
    try {
      await this.call('draft', { review: work.review, draft: draftOf(work) });
    } catch (error) {
      if (error.passing) this.timers.set(work.key, setTimeout(() => this.save(work), DRAFT_MS * 4));
    }
  }

  /** The card was answered: a draft that came after the answer would only confuse. */
  forget(key) {
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
  }
}

/** Of a whole record only what was changed is a draft: the rest was not chosen. */
export function draftOf(work) {
  if (!work.whole) return answerOf(work);
  return { kind: 'values', values: Object.entries(changedFields(work)).map(([field, value]) => ({ field, value })) };
}
