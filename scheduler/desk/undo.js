// Taking back: the skip that nobody has heard of yet, the last decision, or one from the list.

import { keyOf } from './answer.js';
import { Recent } from './decisions.js';

export class TakingBack {
  constructor(desk) {
    this.desk = desk;
    this.recent = new Recent(desk.now);
    this.skipped = null;
  }

  /** The last thing that was done. */
  async undo() {
    if (this.skipped && this.desk.sender.unskip(this.skipped.item)) {
      this.desk.shelf.put(this.skipped.work);
      this.skipped = null;
      this.desk.frame.toast(this.desk.words.say('undo.skip'));
      this.desk.show();
      return;
    }
    const entry = this.recent.last;
    if (!entry) {
      this.desk.frame.toast(this.desk.words.say('undo.none'));
      return;
    }
    this.recent.drop(entry);
    this.desk.undoBar();
    if (!entry.decisionId) this.desk.frame.toast(this.desk.words.say('undo.waits'));
    await entry.item?.done;
    if (entry.decisionId) await this.#undo(entry.decisionId, entry.work);
  }

  /** One from the list of decisions. Resolves true when it was undone. */
  async fromList(decision) {
    const entry = this.recent.entries.find((one) => one.decisionId === decision.decision_id);
    if (entry) this.recent.drop(entry);
    return this.#undo(decision.decision_id, entry?.work ?? { key: keyOf(decision.review) });
  }

  async #undo(decisionId, work) {
    try {
      const answer = await this.desk.ask('undo', { decision_id: decisionId });
      this.desk.decided = Math.max(0, this.desk.decided - Math.max(1, answer.reopened ?? 1));
      this.desk.frame.toast(this.desk.words.say('undo.done', { n: answer.reopened ?? 1 }));
    } catch (error) {
      this.desk.frame.toast(this.desk.words.say(error.reason === 'UNDO_TOO_LATE' ? 'undo.late' : 'error.call', { message: error.message }));
      return false;
    }
    if (work.card) {
      work.restored = true;
      work.touched = false;
      work.step = 0;
      this.desk.shelf.put(work);
      this.desk.show();
    }
    // An answer to the card waits until it has its token.
    work.ready = this.#regain(work);
    await work.ready;
    return true;
  }

  // The server holds the card for this reviewer again, under a token that only the next lease call tells. That call names three
  // at most: if it does not name this one, another card in hand makes room.
  async #regain(work) {
    const token = work.token;
    await this.desk.sender.fill(work.key);
    if (!work.card || work.token !== token || this.desk.shelf.works.length < 2) return;
    const spare = this.desk.shelf.works.filter((one) => one !== work && !one.touched).slice(1);
    for (const one of spare) this.desk.shelf.take(one.key);
    await this.letGo(spare.map((one) => one.review));
    await this.desk.sender.wait(1.5);
    await this.desk.sender.fill(work.key);
  }

  /** Gives cards back before their time is over; they are free a second later. */
  letGo(reviews) {
    return reviews.length ? this.desk.ask('renew', { ttl: 1, reviews }).catch(() => {}) : Promise.resolve();
  }
}
