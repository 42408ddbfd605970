import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isComposing, shortcutOf, takesText } from '../keys.js';

test('keys are shortcuts', () => {
  assert.equal(shortcutOf({ key: '1', code: 'Digit1' }), '1');
  assert.equal(shortcutOf({ key: 'S', code: 'KeyS' }), 's');
  assert.equal(shortcutOf({ key: '?', code: 'Slash', shiftKey: true }), '?');
  assert.equal(shortcutOf({ key: 'Enter' }), 'enter');
});

test('on a Vietnamese layout the place of the key counts', () => {
  assert.equal(shortcutOf({ key: 'ă', code: 'Digit1' }), '1');
  assert.equal(shortcutOf({ key: 'ê', code: 'Digit3' }), '3');
});

test('an input method at work, a held key and a chord are none', () => {
  assert.equal(shortcutOf({ key: 'Process', code: 'KeyS', keyCode: 229 }), null);
  assert.equal(shortcutOf({ key: 'Enter', isComposing: true }), null);
  assert.equal(shortcutOf({ key: 'Enter', repeat: true }), null);
  assert.equal(shortcutOf({ key: 's', ctrlKey: true }), null);
  assert.ok(isComposing({ key: 'Enter', keyCode: 229 }));
});

test('where text is typed', () => {
  assert.ok(takesText({ tagName: 'INPUT', type: 'text' }));
  assert.ok(takesText({ tagName: 'TEXTAREA' }));
  assert.ok(!takesText({ tagName: 'INPUT', type: 'radio' }));
  assert.ok(!takesText({ tagName: 'BUTTON' }));
});
