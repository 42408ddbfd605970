// Asks again and again while somebody looks.

export const EVERY_MS = 2000;

export class Poll {
  /** `ask()` gives an answer for `show`; `trouble(error, seconds)` hears of failures and how old the last answer is. */
  constructor({ ask, show, trouble, page, view, now = () => performance.now(), later = (act, ms) => setTimeout(act, ms), cancel = (timer) => clearTimeout(timer) }) {
    Object.assign(this, { ask, show, trouble, page, view, now, later, cancel });
    this.last = now();
    this.answer = null;
    this.stopped = false;
    this.busy = false;
  }

  start() {
    // A page that nobody sees asks nothing, and asks at once when it is seen again.
    this.page.addEventListener('visibilitychange', () => this.#next(0));
    this.view.addEventListener('pageshow', (event) => event.persisted && this.#next(0));
    this.#next(0);
  }

  stop() {
    this.stopped = true;
    this.cancel(this.timer);
  }

  /** Shows the last answer again: the words have changed. */
  again() {
    if (this.answer) this.show(this.answer);
  }

  #next(wait) {
    this.cancel(this.timer);
    if (this.stopped || this.page.visibilityState !== 'visible') return;
    this.timer = this.later(() => this.#turn(), wait);
  }

  async #turn() {
    // One call at a time: a slow answer must not be overtaken by a later one.
    if (this.busy) return;
    this.busy = true;
    let wait = EVERY_MS;
    let answer = null;
    try {
      answer = await this.ask();
      this.last = this.now();
    } catch (error) {
      wait = Math.max(EVERY_MS * 2, (error.retryAfter ?? 0) * 1000);
      this.trouble(error, (this.now() - this.last) / 1000);
    }
    this.busy = false;
    if (answer) {
      this.answer = answer;
      this.show(answer);
    }
    this.#next(wait);
  }
}
