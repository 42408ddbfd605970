// Many cards at once, as the desk sees it: what is held meanwhile, and what happens to the cards in hand afterwards.

import { keyOf } from './answer.js';
import { ClusterView } from './cluster.js';
import { only } from './dom.js';

export class Group {
  constructor(desk) {
    this.desk = desk;
    this.view = null;
  }

  /** Opens the group of the card on the desk. */
  start() {
    const work = this.desk.shelf.current;
    if (!work || this.view || work.whole || work.issues.length !== 1 || !(work.card.alike >= 6)) return;
    // A lease call would now hand out members of the cluster as if they were the next cards.
    this.desk.sender.held = true;
    this.view = new ClusterView(this.desk, work);
    only(this.desk.main, this.view.node);
    this.desk.bar();
    this.view.start();
  }

  done(work, answer, count, apart) {
    const members = new Set(this.view.reviews.map((review) => keyOf(review)));
    for (const one of [...this.desk.shelf.works]) if (members.has(one.key)) this.desk.shelf.take(one.key);
    this.desk.drafts.forget(work.key);
    this.desk.stash.draft(work.key, null);
    const done = answer.decision?.members ?? count;
    this.desk.decided += done;
    if (answer.decision) this.desk.recent.settle(this.desk.recent.add({ work, answer: null, item: null }), answer.decision);
    this.desk.frame.toast(this.desk.words.say('done.cluster', { n: done }));
    // The next cards are asked for below: until they come nobody knows that there are none.
    this.desk.waiting = true;
    this.#end();
    this.desk.takingBack.letGo(apart).then(() => this.desk.sender.fill());
  }

  left(work, members) {
    this.#end();
    this.desk.takingBack.letGo(members.filter((review) => !this.desk.shelf.find(keyOf(review))));
  }

  #end() {
    this.view = null;
    this.desk.view = null;
    this.desk.sender.held = false;
    this.desk.show();
  }
}
