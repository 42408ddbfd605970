// What the server said to an answer that was sent while the reviewer was already at the next card. What could not be taken is
// kept, and shown beside what stands instead.

import { answerOf, keyOf } from './answer.js';
import { PARTING_SECONDS } from './presence.js';

export class Outcomes {
  constructor(desk) {
    this.desk = desk;
  }

  settled(item, answer) {
    if (item.kind !== 'decide') return;
    if (answer.decision) {
      if (item.entry) this.desk.recent.settle(item.entry, answer.decision);
    } else if (answer.decided_before) {
      this.#fell(item);
      this.desk.notices.add({ why: 'decided', work: item.work, answer: item.answer ?? item.body.answer, theirs: answer.decided_before });
    }
    this.desk.undoBar();
  }

  refused(item, error) {
    if (!item) {
      this.desk.waiting = false;
      this.desk.blocked = error;
      this.desk.pollAt = this.desk.now() + 60_000;
      if (!this.desk.shelf.current) this.desk.show();
      return;
    }
    if (item.kind !== 'decide') return;
    this.#fell(item);
    const answer = item.answer ?? item.body.answer;
    if (error.reason === 'REVIEW_TAKEN') {
      this.desk.notices.add({ why: 'taken', work: item.work, answer });
    } else if (error.status === 404) {
      this.desk.notices.add({ why: 'lost', work: item.work, answer });
    } else {
      this.desk.notices.add({ why: 'refused', work: item.work, answer, message: error.message });
      if (!item.work.card) return;
      // Back into the hand, not on top: somebody may be typing on the card that is there.
      item.work.error = this.desk.words.say('error.call', { message: error.message });
      this.desk.shelf.works.splice(1, 0, item.work);
      this.desk.show();
    }
  }

  #fell(item) {
    if (item.entry) this.desk.recent.drop(item.entry);
    this.desk.decided = Math.max(0, this.desk.decided - 1);
    this.desk.bar();
  }

  /** Renews what is held; what was lost meanwhile is said and taken off the desk. */
  async renew() {
    const reviews = this.heldReviews();
    if (reviews.length === 0) return;
    const answer = await this.desk.ask('renew', { reviews }).catch(() => null);
    for (const review of answer?.lost ?? []) {
      const onDesk = this.desk.shelf.current?.key === keyOf(review);
      const work = this.desk.shelf.take(keyOf(review));
      if (work && !work.touched && onDesk) this.desk.frame.toast(this.desk.words.say('notice.lost', { seq: String(review.seq) }));
      if (work?.touched) this.desk.notices.add({ why: 'lost', work, answer: answerOf(work) });
    }
    if (answer?.lost?.length) {
      this.desk.show();
      this.desk.sender.fill();
    }
  }

  heldReviews() {
    const all = new Map([...this.desk.shelf.reviews, ...(this.desk.group.view?.reviews ?? [])].map((review) => [keyOf(review), review]));
    return [...all.values()];
  }

  /** The page goes away: what is not with the server yet goes out, and what is held is held for seconds only. */
  parting() {
    for (const { kind, body } of this.desk.sender.items) this.desk.api.parting(kind, body);
    const reviews = this.heldReviews();
    if (reviews.length) this.desk.api.parting('renew', { ttl: PARTING_SECONDS, reviews });
  }
}
