import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { clock, Words } from '../i18n.js';

const here = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, here), 'utf8');
const tables = { vi: JSON.parse(read('i18n/vi.json')), en: JSON.parse(read('i18n/en.json')) };
/** The page's own files of these kinds, by their paths from the folder. */
const files = (kinds) => ['', 'ops/'].flatMap((folder) => readdirSync(new URL(folder || '.', here)).map((name) => folder + name)).filter((name) => kinds.test(name));
const forms = (text) => (typeof text === 'string' ? [text] : Object.values(text));
const names = (text) => [...new Set(forms(text).flatMap((form) => [...form.matchAll(/\{(\w+)\}/g)].map((found) => found[1])))].sort();

test('both languages say the same things', () => {
  assert.deepEqual(Object.keys(tables.vi), Object.keys(tables.en));
  for (const key of Object.keys(tables.vi)) {
    assert.deepEqual(names(tables.vi[key]), names(tables.en[key]), key);
    for (const form of [...forms(tables.vi[key]), ...forms(tables.en[key])]) assert.ok(form.trim().length > 0, key);
    if (typeof tables.en[key] === 'object') assert.ok(tables.en[key].other && tables.vi[key].other, key);
  }
});

test('the words are stored composed', () => {
  assert.equal(read('i18n/vi.json'), read('i18n/vi.json').normalize('NFC'));
});

test('every word that is asked for is there', () => {
  for (const file of files(/\.(js|html)$/)) {
    const text = read(file);
    const asked = [...text.matchAll(/say\('([a-z_.0-9A-Z]+)'/g), ...text.matchAll(/data-say(?:-label)?="([^"]+)"/g)].map((found) => found[1]);
    for (const key of asked) assert.ok(key in tables.vi, `${file}: ${key}`);
  }
});

test('no data can become markup, and nothing comes from outside', () => {
  for (const file of files(/\.(js|html|css)$/)) {
    const text = read(file);
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, file);
    assert.doesNotMatch(text, /(?:https?:)?\/\/(?!www\.w3\.org\/2000\/svg)[a-z0-9-]+\.[a-z]/i, file);
    if (file.endsWith('.html')) assert.doesNotMatch(text, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/, file);
  }
});

test('numbers and plurals', () => {
  const [vi, en] = [new Words('vi', tables.vi), new Words('en', tables.en)];
  assert.equal(en.say('progress.open', { n: 1 }), '1 card left');
  assert.equal(en.say('progress.open', { n: 1204 }), '1,204 cards left');
  assert.equal(vi.say('progress.open', { n: 1204 }), 'Còn 1.204 phiếu');
  assert.equal(vi.say('no.such.key'), 'no.such.key');
});

test('arguments are text, whatever they hold', () => {
  const vi = new Words('vi', { a: '{from} {to}' });
  assert.equal(vi.say('a', { from: '{to}$&', to: '<b>' }), '{to}$& <b>');
});

test('lengths of time', () => {
  const vi = new Words('vi', tables.vi);
  assert.match(vi.span(170), /^3.phút$/);
  assert.match(vi.span(12), /^12.giây$/);
  assert.match(new Words('en', tables.en).span(61), /^2 minutes$/);
  assert.equal(clock(299.2), '5:00');
  assert.equal(clock(61), '1:01');
});
