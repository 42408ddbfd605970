// Values as a reader sees them: what differs marked by more than colour, what shows nothing made to show.

import { diff, letters, onlyEncoding, replacements, side } from './diff.js';
import { codePoints, dayFirst, pieces, strangers } from './letters.js';
import { h } from './dom.js';

/** How large a value may be set: a name that fills the line twice is set smaller. */
function sizeOf(text) {
  const length = letters(text).length;
  if (length > 120) return 'size-4';
  if (length > 44) return 'size-3';
  if (length > 26) return 'size-2';
  return 'size-1';
}

function textNodes(text, place) {
  return pieces(text, place).map(({ text: plain, tag }) => (tag ? h('span', { class: tag === '·' ? 'dot' : 'unseen' }, tag) : plain));
}

/** A value; `(empty)` where there is none. `big` sets it by its length. */
export function valueNode(words, value, { big = false } = {}) {
  if (value === '') return h('span', { class: 'empty' }, words.say('value.empty'));
  return h('bdi', { class: big ? `value ${sizeOf(value)}` : 'value', lang: 'vi' }, textNodes(value));
}

/**
 * One side of a comparison. The eye sees the marks; whoever listens hears the value whole, and from the `after` side also what
 * changes, since struck letters read aloud are a riddle.
 */
export function comparedNode(words, before, after, which, { big = false, spoken = true } = {}) {
  const text = which === 'before' ? before : after;
  if (text === '') return valueNode(words, '');
  const runs = diff(before, after);
  const marks = side(runs, which);
  const seen = h(
    'bdi',
    { class: big ? `value ${sizeOf(text)}` : 'value', lang: 'vi', 'aria-hidden': 'true' },
    marks.map((run, place) => {
      const inner = textNodes(run.text, { atStart: place === 0, atEnd: place === marks.length - 1 });
      if (run.op === 'same') return inner;
      return h(run.op === 'del' ? 'del' : 'ins', { title: strangers(run.text).length || onlyCode(runs) ? codePoints(run.text) : null }, inner);
    }),
  );
  const said = which === 'after' && spoken ? `. ${spokenChanges(words, runs)}` : '';
  return [seen, h('span', { class: 'unseen-text' }, h('span', { lang: 'vi' }, text), said)];
}

function onlyCode(runs) {
  return replacements(runs).some(({ from, to }) => onlyEncoding(from, to));
}

function spokenChanges(words, runs) {
  const changes = replacements(runs);
  if (changes.length === 0) return words.say('diff.none');
  if (changes.length > 6) return words.say('diff.many', { n: changes.length });
  return changes
    .map(({ from, to }) => words.say(to === '' ? 'diff.removed' : from === '' ? 'diff.added' : 'diff.replaced', { from, to }))
    .join('; ');
}

/** What the eye alone would miss about a value, or about a change: a list of sentences. */
export function remarks(words, value, before = null) {
  const out = [];
  const day = dayFirst(value);
  if (day) out.push(words.say('remark.day', { day }));
  const odd = strangers(value);
  const named = (some) => some.slice(0, 4).map((character) => `${character} (${codePoints(character)})`).join(', ');
  const unseen = odd.filter((character) => pieces(character)[0]?.tag);
  const strange = odd.filter((character) => character !== '\ufffd' && !unseen.includes(character));
  if (odd.includes('\ufffd')) out.push(words.say('remark.lost'));
  if (unseen.length) out.push(words.say('remark.unseen', { code: unseen.map(codePoints).join(', ') }));
  if (strange.length) out.push(words.say('remark.stranger', { characters: named(strange) }));
  if (before !== null && onlyEncoding(before, value)) out.push(words.say('remark.encoding'));
  return out;
}

/**
 * A value beside the one it is compared with. Where the job has words for a code the words are what is read, and the code stands
 * small below: letters of codes are not worth comparing.
 */
export function shownNode(words, field, before, after, which, options = {}) {
  const value = which === 'before' ? before : after;
  const said = meaning(words, field, value);
  if (said) return [valueNode(words, said, options), h('span', { class: 'remark' }, value)];
  const against = which === 'before' && meaning(words, field, after) ? before : null;
  return comparedNode(words, before, against ?? after, which, options);
}

/** The text that a record's own list of values has for a code, such as a district's name. */
export function meaning(words, field, value) {
  const known = field?.values?.find((one) => one.value === value);
  return known ? (known[`label_${words.language}`] ?? known.label_vi ?? null) : null;
}
