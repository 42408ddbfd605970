import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diff, letters, onlyEncoding, replacements, side } from '../diff.js';

const show = (runs) => runs.map(({ op, text }) => ({ same: text, del: `[-${text}-]`, ins: `{+${text}+}` })[op]).join('');
const whole = (runs, which) => side(runs, which).map((run) => run.text).join('');

test('letters are what a reader counts', () => {
  assert.deepEqual(letters('Hễ'), ['H', 'ễ']);
  assert.deepEqual(letters('Hễ'.normalize('NFD')), ['H', 'ễ'.normalize('NFD')]);
  assert.equal(letters('👩‍👩‍👧').length, 1);
});

test('equal values differ nowhere', () => {
  assert.deepEqual(diff('', ''), []);
  assert.equal(show(diff('NGUYỄN', 'NGUYỄN')), 'NGUYỄN');
});

test('one letter', () => {
  assert.equal(show(diff('TRẦN THI HOA', 'TRẦN THỊ HOA')), 'TRẦN TH[-I-]{+Ị+} HOA');
  assert.equal(show(diff('BÀ LÊ NA', 'LÊ NA')), '[-BÀ -]LÊ NA');
  assert.equal(show(diff('', 'LÊ')), '{+LÊ+}');
});

test('letters that changed places read as one change', () => {
  assert.equal(show(diff('2012-08-21', '2021-08-12')), '20[-12-]{+21+}-08-[-21-]{+12+}');
});

test('the same name in two encodings differs where it is stored differently', () => {
  const [nfd, nfc] = ['NGUYỄN'.normalize('NFD'), 'NGUYỄN'.normalize('NFC')];
  assert.equal(replacements(diff(nfd, nfc)).length, 1);
  assert.ok(onlyEncoding(nfd, nfc));
  assert.ok(!onlyEncoding('Ð', 'Đ'));
  assert.equal(show(diff('Ð', 'Đ')), '[-Ð-]{+Đ+}');
});

test('replacements are what is read aloud', () => {
  assert.deepEqual(replacements(diff('abc', 'xbc d')), [{ from: 'a', to: 'x' }, { from: '', to: ' d' }]);
  assert.deepEqual(replacements(diff('abc', 'ab')), [{ from: 'c', to: '' }]);
});

test('both sides are whole, whatever is compared', () => {
  // A small generator with a seed: the same cases each time.
  let state = 7;
  const next = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
  const alphabet = ['a', 'ă', 'ễ', 'e\u0302\u0303', ' ', '1', '2', '\u00a0', '<', '👍🏽'];
  for (let round = 0; round < 2000; round += 1) {
    const text = () => Array.from({ length: next(9) }, () => alphabet[next(alphabet.length)]).join('');
    const [a, b] = [text(), text()];
    const runs = diff(a, b);
    assert.equal(whole(runs, 'before'), a);
    assert.equal(whole(runs, 'after'), b);
    for (let i = 1; i < runs.length; i += 1) assert.ok(runs[i].op !== runs[i - 1].op && !(runs[i].op === 'del' && runs[i - 1].op === 'ins'), show(runs));
  }
});

test('values too long for the table are compared all the same', () => {
  const [a, b] = ['x'.repeat(3000), 'y'.repeat(3000)];
  assert.deepEqual(diff(`=${a}`, `=${b}`).map((run) => run.op), ['same', 'del', 'ins']);
});
