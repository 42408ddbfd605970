import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codePoints, dayFirst, pieces, strangers } from '../letters.js';

test('what shows nothing is shown', () => {
  assert.deepEqual(pieces('A\u00a0B\u200b'), [{ text: 'A' }, { text: '\u00a0', tag: 'NBSP' }, { text: 'B' }, { text: '\u200b', tag: 'ZWSP' }]);
  assert.deepEqual(pieces('\u202egpj'), [{ text: '\u202e', tag: 'RLO' }, { text: 'gpj' }]);
});

test('spaces at the ends and doubled ones', () => {
  const tags = (text, place) => pieces(text, place).filter((piece) => piece.tag).length;
  assert.equal(tags('LÊ NA'), 0);
  assert.equal(tags(' LÊ  NA '), 3);
  assert.equal(tags(' ', { atStart: false, atEnd: false }), 0);
});

test('letters that are not Vietnamese', () => {
  assert.deepEqual(strangers('NGUYỄN THỊ ĐỨC'.normalize('NFD')), []);
  assert.deepEqual(strangers('Ðức Ð'), ['Ð']);
  assert.equal(codePoints('Ð'), 'U+00D0');
});

test('dates are read day first', () => {
  assert.equal(dayFirst('2021-08-02'), '02/08/2021');
  assert.equal(dayFirst('1987'), null);
});
