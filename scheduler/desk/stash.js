// What must survive a reload or a sign-in in this tab: answers that are not yet with the server, and unsaved drafts. They
// hold people's data, so they stay in the tab's own storage, under the account that wrote them, and go at sign-out.

const KEY = 'emend.desk';

export class Stash {
  constructor(storage) {
    this.storage = storage;
    this.account = '';
    this.state = { outbox: [], drafts: {}, current: null };
  }

  /** Takes up what this account left in this tab. What another account left is not shown and not sent: it goes. */
  open(account) {
    this.account = account;
    try {
      const kept = JSON.parse(this.storage.getItem(KEY) ?? 'null');
      if (kept?.account === account) this.state = { outbox: kept.outbox ?? [], drafts: kept.drafts ?? {}, current: kept.current ?? null };
    } catch {
      // Unreadable is as good as empty.
    }
    this.#write();
    return this.state;
  }

  outbox(items) {
    this.state.outbox = items;
    this.#write();
  }

  draft(key, answer) {
    if (answer) this.state.drafts[key] = answer;
    else delete this.state.drafts[key];
    this.#write();
  }

  /** Which card lies on top: after a reload it lies there again. */
  current(key) {
    if (this.state.current === key) return;
    this.state.current = key;
    this.#write();
  }

  /** Forgets drafts of cards that are in nobody's hand here; the server has them. */
  prune(keys) {
    const kept = Object.entries(this.state.drafts).filter(([key]) => keys.has(key));
    if (kept.length === Object.keys(this.state.drafts).length) return;
    this.state.drafts = Object.fromEntries(kept);
    this.#write();
  }

  clear() {
    this.state = { outbox: [], drafts: {}, current: null };
    try {
      this.storage.removeItem(KEY);
    } catch {
      // A browser without storage has nothing to forget.
    }
  }

  #write() {
    try {
      this.storage.setItem(KEY, JSON.stringify({ account: this.account, ...this.state }));
    } catch {
      // Full or forbidden: memory still has it, and the server's draft.
    }
  }
}
