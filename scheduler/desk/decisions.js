// What the reviewer decided: the list of it, and the last ones that may still be taken back.

import { h, only } from './dom.js';
import { clock } from './i18n.js';
import { open } from './dialogs.js';
import { comparedNode } from './values.js';

/** Decisions of this page that may be undone, the newest last. Pure. */
export class Recent {
  constructor(now) {
    this.now = now;
    this.entries = [];
  }

  /** One that is on its way: until the server has it, it is not known how long it may be undone. */
  add(entry) {
    this.entries.push({ ...entry, decisionId: null, until: null });
    return this.entries.at(-1);
  }

  /** The server has it. Without time to undo it is gone from here. */
  settle(entry, decision) {
    entry.decisionId = decision.decision_id;
    entry.until = decision.undo_in > 0 ? this.now() + decision.undo_in * 1000 : 0;
  }

  drop(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
  }

  /** The newest that may be undone. */
  get last() {
    this.entries = this.entries.filter((entry) => entry.until === null || entry.until > this.now());
    return this.entries.at(-1) ?? null;
  }

  /** Seconds left for one; null while it is not known. */
  left(entry) {
    return entry.until === null ? null : Math.max(0, (entry.until - this.now()) / 1000);
  }
}

/** The list. `undo(decision)` resolves true when it was undone. */
export function showDecisions(desk) {
  const { words } = desk;
  return open(
    words.say('decisions.title'),
    (close) => {
      const list = h('ol', { class: 'decisions' });
      const state = h('p', { class: 'quiet', role: 'status' }, words.say('decisions.loading'));
      const more = h('button', { type: 'button', hidden: true }, words.say('decisions.more'));
      const load = async (token) => {
        more.hidden = true;
        try {
          const answer = await desk.read('decisions', { page_size: 50, page_token: token });
          const decisions = answer.decisions ?? [];
          list.append(...decisions.map((decision) => entry(desk, decision)));
          only(state, list.children.length ? '' : words.say('decisions.none'));
          more.hidden = !answer.next_page_token;
          more.onclick = () => load(answer.next_page_token);
        } catch (error) {
          only(state, words.say('error.call', { message: error.message }));
        }
      };
      load('');
      return [state, h('div', { class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': words.say('decisions.title') }, list, more), h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', on: { click: () => close() } }, words.say('dialog.close')))];
    },
    { wide: true },
  );
}

function entry(desk, decision) {
  const { words } = desk;
  const item = h('li', { class: decision.undone ? 'undone' : '' });
  const members = decision.members > 1 ? words.say('decisions.members', { n: decision.members }) : null;
  // Whether it still may be undone is asked when the button is pressed; the server has the last word.
  const undo = decision.undo_in > 0 && !decision.undone && h('button', { type: 'button', class: 'small' }, words.say('undo.button'), h('span', { class: 'count' }, clock(decision.undo_in)));
  if (undo) {
    undo.addEventListener('click', async () => {
      undo.disabled = true;
      if (await desk.undoDecision(decision)) {
        item.classList.add('undone');
        undo.replaceWith(words.say('decisions.undone'));
      }
    });
  }
  only(
    item,
    h('div', { class: 'decision-head' },
      h('strong', {}, words.say('card.record', { seq: String(decision.review.seq) })),
      members && h('span', { class: 'badge' }, members),
      h('span', { class: 'quiet' }, words.ago(decision.age ?? 0)),
      decision.undone ? h('span', { class: 'quiet' }, words.say('decisions.undone')) : undo),
    changes(desk, decision));
  return item;
}

/** What a decision says, for the list and for a comparison. */
export function changes(desk, decision) {
  const { words } = desk;
  if (decision.kind === 'rejected' || decision.kind === 'cannot_decide') {
    return h('p', {}, h('strong', {}, words.say(`kind.${decision.kind}`)), ': ', h('bdi', {}, decision.reason ?? ''));
  }
  const some = decision.changes ?? [];
  if (some.length === 0) return h('p', {}, words.say('decisions.kept'));
  return h('dl', { class: 'changes' }, some.map((change) =>
    h('div', {}, h('dt', {}, desk.label(decision, change.field)), h('dd', {}, comparedNode(words, change.before ?? '', change.after ?? '', 'before', { spoken: false }), h('span', { class: 'arrow', 'aria-hidden': 'true' }, ' → '), comparedNode(words, change.before ?? '', change.after ?? '', 'after')))));
}
