// Whether somebody is there. A lease is renewed only for one who is: a laptop left open must not hold cards that others wait
// for, and a tab that closes gives them back within seconds.

export const RENEW_MS = 60_000;
export const USED_MS = 5 * 60_000;
// A reload takes less than this and finds its cards again.
export const PARTING_SECONDS = 10;
export const WARN_SECONDS = 120;

/** Whether leases are to be renewed. */
export function mayRenew({ visible, now, lastInput }) {
  return visible && now - lastInput <= USED_MS;
}

/** `ok`, `warn` or `over` for a session that ends `idle` seconds after the last input and at `end`. */
export function sessionState({ now, lastInput, idle, end }) {
  const left = Math.min(lastInput + idle * 1000, end) - now;
  if (left <= 0) return { state: 'over', left: 0 };
  return { state: left <= WARN_SECONDS * 1000 ? 'warn' : 'ok', left: left / 1000, last: lastInput + idle * 1000 > end };
}

export class Presence {
  /** `on`: `renew()`, `parting()`, `second(now)`. */
  constructor({ page, view, now, on }) {
    Object.assign(this, { page, view, now, on });
    this.lastInput = now();
    this.lastRenew = now();
  }

  start() {
    const used = () => {
      this.lastInput = this.now();
      // Back after a while: the leases may be about to lapse, or have.
      if (this.lastInput - this.lastRenew > RENEW_MS) this.#renew();
    };
    for (const kind of ['pointerdown', 'keydown', 'wheel', 'touchstart', 'input']) this.page.addEventListener(kind, used, { capture: true, passive: true });
    this.page.addEventListener('visibilitychange', () => {
      if (this.page.visibilityState === 'visible' && this.now() - this.lastRenew > RENEW_MS) this.#renew();
    });
    this.view.addEventListener('pagehide', () => this.on.parting());
    this.view.addEventListener('pageshow', (event) => {
      if (event.persisted) this.#renew();
    });
    setInterval(() => {
      if (this.now() - this.lastRenew >= RENEW_MS) this.#renew();
      this.on.second(this.now());
    }, 1000);
    // Another tab of the same reviewer that closes shortens the leases of both: this one takes them up again.
    if (this.view.BroadcastChannel) {
      this.channel = new this.view.BroadcastChannel('emend.desk');
      this.channel.onmessage = () => setTimeout(() => this.on.renew(), 1000);
    }
  }

  tellOthers() {
    this.channel?.postMessage('parting');
  }

  #renew() {
    if (!mayRenew({ visible: this.page.visibilityState === 'visible', now: this.now(), lastInput: this.lastInput })) return;
    this.lastRenew = this.now();
    this.on.renew();
  }
}
