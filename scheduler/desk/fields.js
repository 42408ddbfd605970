// The other fields of a card: those that bear on the question beside it, or all of a record on which rules gave up. Any of
// them may be where the fault is, so any can be edited; one that is hidden is revealed first, with a reason.

import { chosen } from './answer.js';
import { freshId, h, only } from './dom.js';
import { isComposing } from './keys.js';
import { remarks, shownNode } from './values.js';

/** What stands beside the question. */
export function beside(desk, work, words) {
  const issue = work.issues[work.step];
  const others = (work.card.fields ?? []).filter((field) => field.name !== issue.field);
  if (others.length === 0) return null;
  return h(
    'aside',
    { class: 'beside', 'aria-label': words.say('beside.label') },
    h('h2', {}, words.say('beside.label')),
    h('dl', {}, others.map((field) => (field.at_issue ? otherIssue(desk, work, words, field) : editable(desk, work, words, field, () => desk.changed(work))))),
  );
}

/** All fields, raw. */
export function wholeRecord(desk, work, words, changed) {
  return h('dl', { class: 'record' }, (work.card.fields ?? []).map((field) => editable(desk, work, words, field, changed)));
}

// A field with a question of its own is answered there.
function otherIssue(desk, work, words, field) {
  const step = work.issues.findIndex((one) => one.field === field.name);
  const now = work.revealed[field.name] ?? field.value;
  const shown = shownNode(words, desk.field(work, field.name), now, chosen(work, work.issues[step]) ?? now, 'after');
  return h(
    'div',
    { class: 'row' },
    h('dt', {}, desk.label(work, field.name)),
    h('dd', {}, shown),
    h('button', { type: 'button', class: 'link', on: { click: () => desk.step(step) } }, words.say('beside.question', { n: step + 1 })),
  );
}

function editable(desk, work, words, field, changed) {
  const label = desk.label(work, field.name);
  const id = freshId('field');
  const row = h('div', { class: 'row', data: { field: field.name } });
  const now = () => work.revealed[field.name] ?? field.value;

  const show = () => {
    const hidden = field.masked && !(field.name in work.revealed);
    const edited = work.edits[field.name];
    const shown = shownNode(words, desk.field(work, field.name), now(), edited ?? now(), 'after', { spoken: edited !== undefined });
    only(
      row,
      h('dt', {}, label),
      h('dd', {}, shown, remarks(words, edited ?? now()).map((text) => h('span', { class: 'remark' }, text))),
      hidden
        ? h('button', { type: 'button', class: 'link', 'aria-label': words.say('reveal.of', { field: label }), on: { click: () => desk.reveal(field.name) } }, words.say('reveal.short'))
        : h('button', { type: 'button', class: 'link', data: { edit: '' }, 'aria-label': words.say('beside.edit_of', { field: label }), on: { click: edit } }, words.say('beside.edit')),
    );
  };

  const edit = () => {
    const input = h('input', {
      id,
      type: 'text',
      lang: 'vi',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      maxlength: '2000',
      value: work.edits[field.name] ?? now(),
      on: {
        // Enter ends the typing here; it does not answer the card, whose question is elsewhere.
        keydown: (event) => {
          if (event.key !== 'Enter' || isComposing(event)) return;
          event.preventDefault();
          show();
          desk.view?.focus();
        },
        input: () => {
          work.touched = true;
          work.edits[field.name] = input.value;
          changed();
        },
        blur: () => desk.blurred(work),
      },
    });
    const back = () => {
      delete work.edits[field.name];
      work.touched = true;
      changed();
      show();
      row.querySelector('button')?.focus();
    };
    only(
      row,
      h('dt', {}, h('label', { for: id }, label)),
      h('dd', {}, input),
      h('button', { type: 'button', class: 'link', on: { click: back } }, words.say('beside.leave')),
    );
    input.focus();
    input.select();
  };

  show();
  return row;
}
