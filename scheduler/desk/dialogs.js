// Things that need the reviewer's whole attention. All are the browser's own dialogs: they hold the focus, close with Esc and
// give the focus back.

import { freshId, h, kbd, only } from './dom.js';

/** Whether one is open; shortcuts of the page rest then. */
export function isOpen() {
  return Boolean(document.querySelector('dialog[open]'));
}

/** Opens a dialog; `build(close)` gives its content. Resolves with what `close` was given, or undefined by Esc. */
export function open(title, build, { wide = false, alert = false } = {}) {
  return new Promise((resolve) => {
    const id = freshId('title');
    const dialog = h('dialog', { class: wide ? 'wide' : '', 'aria-labelledby': id, role: alert ? 'alertdialog' : null });
    let result;
    const close = (value) => {
      result = value;
      dialog.close();
    };
    dialog.append(h('h2', { id, tabindex: '-1' }, title), ...[build(close)].flat(Infinity).filter(Boolean));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    // A key that an input method is using is not Esc.
    dialog.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && event.isComposing) event.preventDefault();
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector('[autofocus]') ?? dialog.querySelector('h2')).focus();
  });
}

/** Says a number and asks once more. Resolves true or undefined. */
export function confirm(words, title, text, yes) {
  return open(
    title,
    (close) => [
      h('p', {}, text),
      h(
        'div',
        { class: 'buttons' },
        h('button', { type: 'button', autofocus: true, on: { click: () => close() } }, words.say('dialog.cancel')),
        h('button', { type: 'button', class: 'primary', on: { click: () => close(true) } }, yes),
      ),
    ],
    { alert: true },
  );
}

/** Asks for a reason, with usual ones at a click. Resolves `{kind, reason}`. `kinds` are radio buttons above it, if any. */
export function askReason(words, { title, text, kinds = [], usual, shortest = 3, longest = 500, yes }) {
  return open(title, (close) => {
    const problem = h('p', { class: 'problem', role: 'alert' });
    const area = h('textarea', { rows: '3', autofocus: kinds.length === 0, maxlength: String(longest), lang: 'vi', id: freshId('reason') });
    const name = freshId('kind');
    const radios = kinds.map((kind, place) => h('input', { type: 'radio', name, value: kind, autofocus: place === 0, on: { change: () => suggest(kind) } }));
    const chips = h('div', { class: 'chips' });
    const suggest = (kind) =>
      only(chips, usual(kind).map((reason) => h('button', { type: 'button', class: 'chip', on: { click: () => { area.value = reason; area.focus(); } } }, reason)));
    suggest(kinds[0]);
    const send = () => {
      const kind = radios.find((radio) => radio.checked)?.value;
      const reason = area.value.normalize('NFC').trim();
      if (kinds.length && !kind) only(problem, words.say('reason.kind'));
      else if (Array.from(reason).length < shortest) only(problem, words.say('reason.short', { n: shortest }));
      else close({ kind, reason });
    };
    return [
      text && h('p', {}, text),
      kinds.length > 0 &&
        h('fieldset', { class: 'kinds' }, h('legend', { class: 'unseen-text' }, title), radios.map((radio, place) =>
          h('label', {}, radio, h('span', {}, h('strong', {}, words.say(`kind.${kinds[place]}`)), h('span', { class: 'quiet' }, words.say(`kind.${kinds[place]}.what`)))))),
      h('label', { for: area.id, class: 'field-label' }, words.say('reason.label')),
      chips,
      area,
      problem,
      h('div', { class: 'buttons' },
        h('button', { type: 'button', on: { click: () => close() } }, words.say('dialog.cancel')),
        h('button', { type: 'button', class: 'primary', on: { click: send } }, yes)),
    ];
  });
}

/** The keys, and the four things to know. */
export function help(words) {
  const keys = [['1', '2', '3'], ['0'], ['e'], ['Enter'], ['s'], ['u'], ['m'], ['c'], ['d'], ['Esc'], ['?']];
  return open(
    words.say('help.title'),
    (close) => [
      h('div', { class: 'help' },
        h('dl', { class: 'keys' }, keys.map((some) => h('div', {}, h('dt', {}, some.map((key) => h('kbd', {}, key))), h('dd', {}, words.say(`help.key.${some[0]}`))))),
        h('div', {}, h('h3', {}, words.say('help.rules')), h('ul', {}, [1, 2, 3, 4, 5].map((n) => h('li', {}, words.say(`help.rule.${n}`)))))),
      h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', on: { click: () => close() } }, words.say('dialog.close'), kbd('Esc'))),
    ],
    { wide: true },
  );
}
