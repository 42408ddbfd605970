import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, emptied, obstacle, restore, workOf } from '../answer.js';

const lease = (card) => ({ review: { job_id: 1, seq: 5 }, epoch: 1, token: 't', card });
const named = (extra = {}) =>
  lease({
    round: 1,
    findings: [{ code: 'full_name.title', field: 'full_name', proposals: ['LÊ NA', 'BÀ LÊ NA'] }],
    fields: [{ name: 'full_name', value: 'BÀ LÊ NA', at_issue: true }, { name: 'national_id', value: '•••412', masked: true }, { name: 'gender', value: 'male' }],
    ...extra,
  });

test('a proposal that is the value itself is not offered beside "keep"', () => {
  assert.deepEqual(workOf(named()).issues[0].options.map((option) => option.value), ['LÊ NA']);
});

test('an answer has a value for each field at issue, and others only where they change', () => {
  const work = workOf(named());
  assert.deepEqual(obstacle(work), { why: 'choose', step: 0 });
  work.choices.full_name = { from: 'option', index: 0 };
  work.edits.gender = 'male';
  assert.equal(obstacle(work), null);
  assert.deepEqual(answerOf(work), { kind: 'values', values: [{ field: 'full_name', value: 'LÊ NA' }] });
  work.edits.gender = 'female';
  assert.deepEqual(answerOf(work).values[1], { field: 'gender', value: 'female' });
  work.choices.full_name = { from: 'keep' };
  assert.equal(answerOf(work).values[0].value, 'BÀ LÊ NA');
});

test('what is typed is composed and trimmed', () => {
  const work = workOf(named());
  work.choices.full_name = { from: 'edit', value: ' LÊ NẶ '.normalize('NFD') };
  assert.equal(answerOf(work).values[0].value, 'LÊ NẶ');
});

test('a hidden value at issue cannot be kept unseen: what is shown of it is not the value', () => {
  const work = workOf(lease({ findings: [{ code: 'phone.invalid', field: 'phone' }], fields: [{ name: 'phone', value: '09•••', masked: true, at_issue: true }] }));
  work.choices.phone = { from: 'keep' };
  assert.deepEqual(obstacle(work), { why: 'reveal', field: 'phone' });
  work.revealed.phone = '0901234567';
  assert.equal(obstacle(work), null);
  assert.deepEqual(answerOf(work).values, [{ field: 'phone', value: '0901234567' }]);
});

test('a draft comes back as the choices that made it', () => {
  const draft = (value) => ({ kind: 'values', values: [{ field: 'full_name', value }, { field: 'gender', value: 'female' }, { field: 'not_on_the_card', value: 'x' }] });
  for (const [value, from] of [['LÊ NA', 'option'], ['BÀ LÊ NA', 'keep'], ['LÊ NÀ', 'edit']]) {
    const work = workOf(named({ draft: draft(value) }));
    assert.equal(work.choices.full_name.from, from);
    assert.deepEqual(work.edits, { gender: 'female' });
    assert.equal(answerOf(work).values[0].value, value);
  }
});

test('what two people said before stands beside the proposals, without a name', () => {
  const answers = [{ kind: 'values', values: [{ field: 'full_name', value: 'LÊ NA' }] }, { kind: 'values', values: [{ field: 'full_name', value: 'LÊ NÀ' }] }];
  const [issue] = workOf(named({ round: 3, answers })).issues;
  assert.deepEqual(issue.options, [{ value: 'LÊ NA', by: ['rule', 'person'] }, { value: 'LÊ NÀ', by: ['person'] }]);
});

test('a record on which rules gave up wants an edit, or a word that it is right', () => {
  const work = workOf(lease({ failure: 'timeout', findings: [], fields: [{ name: 'a', value: '1', at_issue: true }, { name: 'b', value: '2' }] }));
  assert.deepEqual(obstacle(work), { why: 'whole' });
  work.asItStands = true;
  assert.equal(obstacle(work), null);
  assert.deepEqual(answerOf(work).values, [{ field: 'a', value: '1' }]);
  work.edits.b = '';
  assert.deepEqual(answerOf(work).values, [{ field: 'a', value: '1' }, { field: 'b', value: '' }]);
  assert.deepEqual(emptied(work), ['b']);
});

test('restoring a draft of another kind changes nothing', () => {
  const work = workOf(named());
  restore(work, { kind: 'rejected', reason: 'x' });
  assert.deepEqual(work.choices, {});
});
