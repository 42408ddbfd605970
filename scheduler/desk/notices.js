// Answers that could not be taken: shown beside what stands instead. They wait above the card until the reviewer has looked;
// nothing opens by itself under fingers that are typing.

import { changes } from './decisions.js';
import { h, only } from './dom.js';
import { open } from './dialogs.js';
import { valueNode } from './values.js';

/** A card that is refused again says so once. */
export function withNotice(list, notice) {
  return [...list.filter((one) => one.why !== notice.why || one.work.key !== notice.work.key), notice];
}

export class Notices {
  constructor(desk, node) {
    this.desk = desk;
    this.node = node;
    this.list = [];
  }

  /** `why`: `decided`, `taken`, `lost` or `refused`; `answer` is one's own, `theirs` the decision that stands. */
  add(notice) {
    this.list = withNotice(this.list, notice);
    this.show();
    this.desk.announce(this.desk.words.say(`notice.${notice.why}`, { seq: String(notice.work.review.seq) }));
  }

  show() {
    const { words } = this.desk;
    only(
      this.node,
      this.list.map((notice) =>
        h('div', { class: 'strip warn' },
          h('span', {}, words.say(`notice.${notice.why}`, { seq: String(notice.work.review.seq) })),
          h('button', { type: 'button', class: 'small', on: { click: () => this.look(notice) } }, words.say('notice.look')))),
    );
  }

  async look(notice) {
    const { words } = this.desk;
    const seen = await open(
      words.say(`notice.${notice.why}.title`),
      (close) => [
        h('p', {}, words.say(`notice.${notice.why}.text`, { message: notice.message ?? '' })),
        h('div', { class: 'sides' },
          h('section', {}, h('h3', {}, words.say('notice.yours')), this.#mine(notice)),
          h('section', {}, h('h3', {}, words.say('notice.theirs')), notice.theirs ? changes(this.desk, notice.theirs) : h('p', { class: 'quiet' }, words.say(`notice.${notice.why}.theirs`)))),
        h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', autofocus: true, on: { click: () => close(true) } }, words.say('notice.seen'))),
      ],
      { wide: true },
    );
    if (!seen) return;
    this.list = this.list.filter((one) => one !== notice);
    this.show();
  }

  // One's own answer reads like a decision where the card is still at hand.
  #mine({ work, answer }) {
    if (!answer || answer.kind !== 'values') return answer ? changes(this.desk, answer) : h('p', { class: 'quiet' }, this.desk.words.say('notice.nothing'));
    const fields = work.card?.fields;
    if (!fields) return h('dl', { class: 'changes' }, answer.values.map(({ field, value }) => h('div', {}, h('dt', {}, this.desk.label(work, field)), h('dd', {}, valueNode(this.desk.words, value)))));
    const before = (name) => fields.find((field) => field.name === name)?.value ?? '';
    const changed = answer.values.filter(({ field, value }) => value !== before(field));
    return changes(this.desk, { review: work.review, kind: 'values', changes: changed.map(({ field, value }) => ({ field, before: before(field), after: value })) });
  }
}
