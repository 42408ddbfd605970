// The desk: what is on it, and what a reviewer does with it. The parts know nothing of each other; they meet here.

import { answerOf, chosen, emptied, obstacle } from './answer.js';
import { CardView } from './card.js';
import { Group } from './group.js';
import { showDecisions } from './decisions.js';
import * as dialogs from './dialogs.js';
import { only } from './dom.js';
import { emptyView } from './empty.js';
import { Notices } from './notices.js';
import { Outcomes } from './outcomes.js';
import { pollIn } from './shelf.js';
import { TakingBack } from './undo.js';

// A card that comes with a finished draft could be accepted by the Enter that was meant for the card before.
const SETTLE_MS = 500;

export class Desk {
  constructor({ api, shelf, stash, sender, drafts, forms, frame, words, session, page, now, random }) {
    Object.assign(this, { api, shelf, stash, sender, drafts, forms, frame, words, session, page, now, random });
    this.main = page.getElementById('main');
    this.takingBack = new TakingBack(this);
    this.recent = this.takingBack.recent;
    this.notices = new Notices(this, page.getElementById('notices'));
    this.outcomes = new Outcomes(this);
    this.group = new Group(this);
    this.decided = session.shift?.decided_today ?? 0;
    this.view = null;
    this.waiting = true;
    this.pollAt = 0;
  }

  // --- what the views ask for

  label(of, name) {
    return this.forms.label(of.review.job_id, name, this.words.language);
  }

  field(of, name) {
    return this.forms.field(of.review.job_id, name);
  }

  jobName(of) {
    return this.forms.job(of.review.job_id)?.name ?? '';
  }

  findingText(of, finding) {
    const text = this.forms.finding(of.review.job_id, finding.code, this.words.language);
    if (text) return text;
    const said = { field: finding.field ? this.label(of, finding.field) : finding.code, code: finding.code };
    // Codes that Emend itself makes, for whatever field.
    if (finding.code.endsWith('.check')) return this.words.say('finding.check', said);
    if (finding.code.endsWith('.rule_paused')) return this.words.say('finding.rule_paused', said);
    if (finding.code.endsWith('.rule_failed')) return this.words.say('finding.rule_failed', said);
    if (finding.code === 'group.too_large') return this.words.say('finding.group_too_large', said);
    if (finding.code === 'group.failed') return this.words.say('finding.group_failed', said);
    return this.words.say('finding.unknown', said);
  }

  announce(text) {
    this.frame.announce(text);
  }

  ask(method, body) {
    return this.sender.ask(method, body);
  }

  read(method, body) {
    return this.api.call(method, body);
  }

  changed(work) {
    this.drafts.changed(work);
    this.bar();
  }

  blurred(work) {
    this.drafts.save(work);
  }

  // --- the card

  /** Shows what lies on top, and nothing anew if that is on the desk already. */
  show({ again = false } = {}) {
    if (this.group.view) return;
    const work = this.shelf.current;
    if (work && !this.forms.settled(work.review.job_id)) return;
    if (!work) {
      this.showEmpty();
      return;
    }
    if (!again && this.view?.work === work) return;
    const keepFocus = dialogs.isOpen();
    this.stash.current(work.key);
    work.seen ??= new Set();
    work.seen.add(work.step);
    this.view = new CardView(this, work);
    this.empty = null;
    this.shownAt = this.now();
    only(this.main, this.view.node);
    if (work.error) this.view.problem(work.error);
    this.page.title = `${this.words.say('card.record', { seq: String(work.review.seq) })} · Emend`;
    this.main.scrollTop = 0;
    this.page.defaultView.scrollTo(0, 0);
    if (!keepFocus) this.view.focus();
    this.bar();
  }

  showEmpty() {
    this.view = null;
    const blocked = this.blocked;
    const pending = this.sender.pending;
    const hadFocus = !this.empty && !dialogs.isOpen();
    this.empty = emptyView(this.words, this.sender.queue, { waiting: this.waiting || pending > 0 || this.sender.fetching, pending, blocked, look: () => this.look() });
    only(this.main, this.empty.node);
    this.page.title = `${this.words.say('empty.title')} · Emend`;
    if (hadFocus) this.empty.focus();
    this.bar();
  }

  /** Asks for cards now. */
  look() {
    this.waiting = true;
    this.pollAt = 0;
    this.show();
    this.sender.fill();
  }

  step(step) {
    const work = this.shelf.current;
    work.step = step;
    this.show({ again: true });
  }

  accept() {
    if (this.group.view) {
      this.group.view.accept();
      return;
    }
    const work = this.shelf.current;
    if (!work || !this.view) return;
    if (work.restored && !work.touched && this.now() - this.shownAt < SETTLE_MS) return;
    if (!work.whole && chosen(work, work.issues[work.step]) === undefined) {
      this.view.problem(this.words.say('problem.choose'));
      return;
    }
    const unseen = work.whole ? -1 : work.issues.findIndex((issue, step) => !work.seen.has(step));
    const hindrance = obstacle(work);
    if (hindrance?.why === 'choose' || unseen >= 0) {
      this.step(hindrance?.why === 'choose' ? hindrance.step : unseen);
    } else if (hindrance?.why === 'whole') {
      this.view.problem(this.words.say('problem.whole'));
    } else if (hindrance?.why === 'reveal') {
      this.view.problem(this.words.say('problem.reveal', { field: this.label(work, hindrance.field) }));
      this.reveal(hindrance.field);
    } else if (emptied(work).length && !work.emptyTold) {
      work.emptyTold = true;
      this.view.problem(this.words.say('problem.empty', { field: emptied(work).map((name) => this.label(work, name)).join(', ') }));
    } else {
      this.decide(work, answerOf(work));
    }
  }

  decide(work, answer) {
    this.drafts.forget(work.key);
    this.shelf.take(work.key);
    work.error = null;
    this.decided += 1;
    const item = this.sender.decide(work, answer);
    item.answer = answer;
    item.entry = this.recent.add({ work, answer, item });
    // Not called noted before the server can have heard of it.
    const said = this.frame.troubled ? 'done.kept' : answer.kind === 'values' ? 'done.saved' : `done.${answer.kind}`;
    this.frame.toast(this.words.say(said, { seq: String(work.review.seq) }));
    this.show();
  }

  skip() {
    const work = this.shelf.current;
    if (!work || this.group.view) return;
    this.sender.flush();
    this.drafts.save(work);
    this.shelf.take(work.key);
    this.takingBack.skipped = { work, item: this.sender.skip(work) };
    if (!this.shelf.current) this.sender.flush();
    this.frame.toast(this.words.say('done.skipped', { seq: String(work.review.seq) }));
    this.show();
  }

  /** The two ways to answer without a value; both want a reason, neither is one key. */
  async other() {
    const work = this.shelf.current;
    if (!work || this.group.view) return;
    const { words } = this;
    const usual = (kind) => (kind ? [1, 2, 3].map((n) => words.say(`kind.${kind}.reason.${n}`)) : []);
    const said = await dialogs.askReason(words, { title: words.say('other.title'), kinds: ['cannot_decide', 'rejected'], usual, yes: words.say('other.send') });
    // The card may have been taken away while the reason was written.
    if (said && this.shelf.find(work.key)) this.decide(work, { kind: said.kind, values: [], reason: said.reason });
  }

  async reveal(field, then) {
    const work = this.shelf.current;
    const { words } = this;
    const title = words.say('reveal.title', { field: this.label(work, field) });
    const usual = () => [1, 2, 3].map((n) => words.say(`reveal.reason.${n}`));
    const said = await dialogs.askReason(words, { title, text: words.say('reveal.text'), usual, longest: 200, yes: words.say('reveal.yes') });
    if (!said) return;
    try {
      const answer = await this.ask('reveal', { review: work.review, field, reason: said.reason });
      work.revealed[field] = answer.value;
      if (this.shelf.current !== work) return;
      this.show({ again: true });
      then?.();
    } catch (error) {
      this.view?.problem(words.say('error.call', { message: error.message }));
    }
  }

  decisions() {
    return showDecisions(this);
  }

  undo() {
    if (!this.group.view) this.takingBack.undo();
  }

  undoDecision(decision) {
    return this.takingBack.fromList(decision);
  }

  cluster() {
    this.group.start();
  }

  // --- what comes in

  filled(isNew) {
    this.waiting = false;
    this.blocked = null;
    this.decided = this.sender.queue?.decided_today ?? this.decided;
    this.pollAt = this.shelf.current ? 0 : this.now() + pollIn(this.sender.queue, this.random) * 1000;
    for (const work of this.shelf.works) this.forms.need(work.review.job_id).then((came) => came && this.show({ again: !this.view }));
    const wasEmpty = Boolean(this.empty);
    if (this.shelf.current || isNew || !this.view) this.show();
    if (wasEmpty && this.view) this.announce(this.words.say('empty.came'));
    this.bar();
  }

  /** Once a second: countdowns. */
  second(now) {
    this.undoBar();
    if (this.empty && this.pollAt) {
      if (now >= this.pollAt && this.page.visibilityState === 'visible') this.look();
      else this.empty.tick((this.pollAt - now) / 1000);
    }
  }

  /** Other words for the same desk. */
  reword(words) {
    this.words = words;
    this.notices.show();
    this.frame.warning = null;
    if (this.group.view) this.group.view.reword();
    else this.show({ again: true });
    this.bar();
  }

  refresh() {
    if (this.empty) this.showEmpty();
    this.bar();
  }

  bar() {
    const work = this.shelf.current;
    this.frame.progress(this.words, this.decided, this.sender.queue);
    this.frame.bar({ card: Boolean(work && this.view && !this.group.view), ready: work && !obstacle(work) });
    this.undoBar();
  }

  undoBar() {
    const entry = this.group.view ? null : this.recent.last;
    this.frame.undo(entry, entry && this.recent.left(entry));
  }
}
