// The page around the card: progress above, what can be done below, and what has to be said between.

import { h, only } from './dom.js';
import { clock } from './i18n.js';

export class Frame {
  constructor(page) {
    this.page = page;
    const at = (id) => page.getElementById(id);
    this.nodes = { mine: at('mine'), queue: at('queue'), account: at('account'), network: at('network'), session: at('session'), live: at('live'), bar: at('bar'), undo: at('undo'), undoLeft: at('undo-left'), accept: at('accept'), language: at('language') };
  }

  /** One's own count and the queue. */
  progress(words, decided, queue) {
    only(this.nodes.mine, words.say('progress.mine', { n: decided }));
    const parts = [];
    if (queue) {
      parts.push(words.say('progress.open', { n: queue.open ?? 0 }));
      if (queue.held) parts.push(words.say('progress.held', { n: queue.held }));
      if (queue.for_leads) parts.push(words.say('progress.leads', { n: queue.for_leads }));
      if (queue.later) parts.push(words.say('progress.later', { n: queue.later }));
    }
    only(this.nodes.queue, parts.map((part) => h('span', {}, part)));
  }

  /** The buttons below: none without a card, others while a cluster is decided. */
  bar({ card, ready }) {
    this.nodes.bar.classList.toggle('without-card', !card);
    for (const button of this.nodes.bar.querySelectorAll('[data-card]')) button.hidden = !card;
    // It stays pressable: pressed too early, it says what is missing.
    this.nodes.accept.classList.toggle('ready', Boolean(ready));
  }

  undo(entry, seconds) {
    const { undo, undoLeft } = this.nodes;
    undo.hidden = !entry;
    if (entry) only(undoLeft, seconds === null ? '' : clock(seconds));
  }

  network(words, trouble, pending, again) {
    this.troubled = Boolean(trouble);
    if (!trouble) {
      only(this.nodes.network);
      return;
    }
    const key = trouble.status === 0 ? 'network.lost' : trouble.status === 429 ? 'network.busy' : 'network.away';
    const text = [words.say(key), pending ? words.say('network.pending', { n: pending }) : words.say('network.kept')].join(' ');
    if (!this.strip) {
      this.networkText = h('span', { role: 'status' });
      this.networkLeft = h('span', { class: 'count', 'aria-hidden': 'true' });
      this.networkAgain = h('button', { type: 'button', class: 'small', on: { click: again } });
      this.strip = h('div', { class: 'strip warn' }, this.networkText, this.networkLeft, this.networkAgain);
    }
    // Only what changes is written, or a screen reader would read it out each second.
    if (this.networkText.textContent !== text) only(this.networkText, text);
    only(this.networkLeft, words.say('network.again_in', { span: words.span(trouble.seconds) }));
    only(this.networkAgain, words.say('network.now'));
    if (!this.strip.isConnected) only(this.nodes.network, this.strip);
  }

  session(words, state, stay) {
    if (state.state === 'ok') {
      only(this.nodes.session);
      this.warning = null;
      return;
    }
    if (!this.warning?.isConnected) {
      this.sessionLeft = h('strong', { 'aria-hidden': 'true' });
      this.warning = h('div', { class: 'strip warn', role: 'alert' }, h('span', {}, words.say(state.last ? 'session.ends' : 'session.idle')), this.sessionLeft, !state.last && h('button', { type: 'button', class: 'small', on: { click: stay } }, words.say('session.stay')));
      only(this.nodes.session, this.warning);
    }
    only(this.sessionLeft, clock(state.left));
  }

  /** Said to those who listen; the same words twice are said twice. */
  announce(text) {
    const { live } = this.nodes;
    only(live);
    setTimeout(() => only(live, text), 50);
  }

  /** Seen by those who look. */
  toast(text) {
    this.announce(text);
    const node = this.page.getElementById('toast');
    only(node, text);
    node.classList.add('shown');
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => node.classList.remove('shown'), 3500);
  }
}
