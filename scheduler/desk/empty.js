// The desk without a card: why, truthfully, and when it looks again by itself.

import { h, only } from './dom.js';
import { reasons } from './shelf.js';

export function emptyView(words, queue, { waiting, pending, blocked, look }) {
  if (blocked && !waiting) return blockedView(words, blocked, look);
  const countdown = h('span', { 'aria-hidden': 'true' });
  const why = waiting ? [] : reasons(queue);
  const done = why[0]?.why === 'done';
  const title = waiting ? words.say(pending ? 'empty.sending' : 'empty.loading') : words.say(done ? 'empty.done' : 'empty.title');
  const heading = h('h1', { tabindex: '-1' }, title);
  const node = h(
    'section',
    { class: 'nothing', 'aria-busy': waiting ? 'true' : null },
    h('div', { class: 'picture', 'aria-hidden': 'true' }, done ? '✓' : waiting ? '…' : '⌛'),
    heading,
    done && h('p', {}, words.say('empty.thanks')),
    !done && why.length > 0 && h('ul', { class: 'why' }, why.map((one) => h('li', {}, sentence(words, one)))),
    pending > 0 && h('p', {}, words.say('empty.pending', { n: pending })),
    !waiting && h('p', { class: 'quiet' }, words.say('empty.polls'), ' ', countdown),
    !waiting && h('button', { type: 'button', on: { click: look } }, words.say('empty.look')),
  );
  return {
    node,
    focus: () => heading.focus({ preventScroll: true }),
    tick: (seconds) => only(countdown, words.say('empty.in', { span: words.span(seconds) })),
  };
}

// The server gives this reviewer nothing, and says why.
function blockedView(words, error, look) {
  const key = error.reason === 'REVIEWER_PAUSED' ? 'blocked.paused' : 'blocked.other';
  const heading = h('h1', { tabindex: '-1' }, words.say(key));
  const node = h('section', { class: 'nothing' }, heading, h('p', {}, words.say(`${key}.text`, { message: error.message })), h('button', { type: 'button', on: { click: look } }, words.say('empty.look')));
  return { node, focus: () => heading.focus({ preventScroll: true }), tick: () => {} };
}

function sentence(words, { why, count, seconds }) {
  if (why === 'held' && typeof seconds === 'number') return words.say('empty.held_next', { n: count, span: words.span(seconds) });
  return words.say(`empty.${why}`, { n: count });
}
