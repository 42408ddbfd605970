import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api.js';
import { delay, line, persist } from '../backoff.js';
import { samplesMissing } from '../cluster.js';
import { Recent } from '../decisions.js';
import { withNotice } from '../notices.js';
import { mayRenew, sessionState } from '../presence.js';
import { Sender } from '../sender.js';
import { pollIn, reasons, Shelf } from '../shelf.js';
import { Stash } from '../stash.js';

const lease = (seq, token = `t${seq}`) => ({ review: { job_id: 1, seq }, epoch: 1, token, card: { findings: [{ code: 'a.b', field: 'a', proposals: ['2'] }], fields: [{ name: 'a', value: '1', at_issue: true }] } });

class Memory {
  constructor() {
    this.items = new Map();
  }
  getItem(key) {
    return this.items.get(key) ?? null;
  }
  setItem(key, value) {
    this.items.set(key, value);
  }
  removeItem(key) {
    this.items.delete(key);
  }
}

function desk(answers) {
  const calls = [];
  const seen = [];
  const api = {
    call: async (method, body) => {
      calls.push({ method, body: structuredClone(body) });
      const answer = answers[method]?.(body, calls.filter((call) => call.method === method).length);
      if (answer instanceof Error) throw answer;
      return answer ?? {};
    },
  };
  const stash = new Stash(new Memory());
  stash.open('lan');
  const on = new Proxy({}, { get: (_, name) => (...args) => seen.push([name, ...args]) });
  const shelf = new Shelf();
  const sender = new Sender({ api, shelf, stash, on, wait: async () => {}, random: () => 0.5 });
  return { calls, seen, shelf, sender, stash, heard: (name) => seen.filter(([what]) => what === name) };
}

test('three cards are in hand, the first on the desk', async () => {
  const { shelf, sender, calls } = desk({ lease: () => ({ leases: [lease(1), lease(2), lease(3)], queue: { open: 9 } }) });
  await sender.fill();
  assert.equal(calls[0].body.max_reviews, 3);
  assert.deepEqual(shelf.works.map((work) => work.key), ['1/1', '1/2', '1/3']);
});

test('a card in hand keeps what is written on it and takes the new token', () => {
  const shelf = new Shelf();
  shelf.merge([lease(1), lease(2)]);
  shelf.current.choices.a = { from: 'keep' };
  shelf.merge([lease(2, 'new2'), lease(1, 'new1'), lease(3)]);
  assert.deepEqual(shelf.works.map((work) => work.token), ['new1', 'new2', 't3']);
  assert.deepEqual(shelf.current.choices, { a: { from: 'keep' } });
});

test('an answer is sent again under the same id until it is heard', async () => {
  const lost = new ApiError(0, 'NETWORK');
  const { sender, shelf, calls, heard, stash } = desk({ decide: (body, time) => (time < 3 ? lost : { decision: { decision_id: 1 } }) });
  shelf.merge([lease(1)]);
  const item = sender.decide(shelf.take('1/1'), { kind: 'values', values: [] });
  assert.equal(stash.state.outbox.length, 1);
  await item.done;
  const ids = calls.filter((call) => call.method === 'decide').map((call) => call.body.request_id);
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
  assert.equal(heard('settled').length, 1);
  assert.equal(heard('trouble').length, 2);
  assert.equal(stash.state.outbox.length, 0);
});

test('no lease call goes out while an answer is under way, and none brings an answered card back', async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const order = [];
  const { sender, shelf } = desk({ lease: () => (order.push('lease'), { leases: [lease(1, 'x'), lease(2)] }) });
  shelf.merge([lease(1)]);
  sender.api.call = ((call) => async (method, body) => {
    if (method === 'decide') {
      await gate;
      order.push('decide');
    }
    return call(method, body);
  })(sender.api.call);
  const item = sender.decide(shelf.take('1/1'), { kind: 'values', values: [] });
  const filling = sender.fill();
  release();
  await item.done;
  await filling;
  await sender.inLine(() => {});
  assert.equal(order[0], 'decide');
  assert.ok(order.includes('lease'));
});

test('an answer goes out with the token of the lease call before it', async () => {
  const { sender, shelf, calls } = desk({ lease: (body, time) => ({ leases: time === 1 ? [lease(1, 'newer')] : [] }), decide: () => ({ decision: {} }) });
  shelf.merge([lease(1, 'older')]);
  sender.fill();
  while (!calls.length) await null;
  await sender.decide(shelf.take('1/1'), { kind: 'values', values: [] }).done;
  assert.equal(calls.find((call) => call.method === 'decide').body.token, 'newer');
  assert.equal(shelf.find('1/1'), null);
});

test('taken by one\'s own other tab: once more with the new token', async () => {
  const { sender, shelf, calls, heard } = desk({
    decide: (body) => (body.token === 'fresh' ? { decision: {} } : new ApiError(400, 'REVIEW_TAKEN')),
    lease: () => ({ leases: [lease(1, 'fresh')] }),
  });
  shelf.merge([lease(1)]);
  await sender.decide(shelf.take('1/1'), { kind: 'values', values: [] }).done;
  assert.equal(calls.filter((call) => call.method === 'decide').length, 2);
  assert.equal(heard('settled').length, 1);
});

test('taken by somebody else is said, and not tried for ever', async () => {
  const { sender, shelf, heard } = desk({ decide: () => new ApiError(400, 'REVIEW_TAKEN'), lease: () => ({ leases: [] }) });
  shelf.merge([lease(1)]);
  await sender.decide(shelf.take('1/1'), { kind: 'values', values: [] }).done;
  assert.equal(heard('refused').length, 1);
  assert.equal(heard('refused')[0][2].reason, 'REVIEW_TAKEN');
});

test('signed out: the answer stays for the next sign-in of the same account, and of no other', async () => {
  const { sender, shelf, stash } = desk({ decide: () => new ApiError(401, 'SIGNED_OUT') });
  shelf.merge([lease(1)]);
  await sender.decide(shelf.take('1/1'), { kind: 'values', values: [{ field: 'a', value: '2' }] }).done;
  assert.equal(new Stash(stash.storage).open('lan').outbox.length, 1);
  assert.equal(new Stash(stash.storage).open('minh').outbox.length, 0);
  assert.equal(new Stash(stash.storage).open('lan').outbox.length, 0);
});

test('a skip can be taken back until it is sent, and the next answer sends it', async () => {
  const { sender, shelf, calls } = desk({ decide: () => ({ decision: {} }) });
  shelf.merge([lease(1), lease(2), lease(3)]);
  const first = sender.skip(shelf.take('1/1'));
  assert.ok(sender.unskip(first));
  const second = sender.skip(shelf.take('1/2'));
  await sender.decide(shelf.take('1/3'), { kind: 'values', values: [] }).done;
  assert.ok(!sender.unskip(second));
  assert.deepEqual(calls.slice(0, 2).map((call) => call.method), ['skip', 'decide']);
  assert.equal(calls[0].body.review.seq, 2);
});

test('why there is nothing to do adds up', () => {
  assert.deepEqual(reasons({ open: 0 }), [{ why: 'done', count: 0 }]);
  const why = reasons({ open: 29, held: 12, next_free_in: 170, later: 5, for_leads: 7, passed: 3 });
  assert.deepEqual(why.map(({ why: name, count }) => [name, count]), [['held', 12], ['later', 5], ['leads', 7], ['passed', 3], ['others', 2]]);
  assert.equal(why[0].seconds, 170);
});

test('it looks again when a card may be free, neither at once nor late', () => {
  assert.equal(pollIn({ next_free_in: 0 }, () => 0), 5);
  assert.equal(pollIn({ next_free_in: 9 }, () => 0), 10);
  assert.equal(pollIn({ next_free_in: 900 }, () => 0), 20);
  assert.equal(pollIn(null, () => 1), 25);
});

test('waiting grows, has jitter, and minds what the server asks for', () => {
  assert.deepEqual([1, 2, 3, 9].map((attempt) => delay(attempt, () => 1)), [1, 2, 4, 30]);
  assert.equal(delay(2, () => 0), 1);
  assert.equal(delay(1, () => 0, 7), 7);
});

test('what does not pass is not retried', async () => {
  let calls = 0;
  const call = async () => {
    calls += 1;
    throw new ApiError(403, 'FORBIDDEN');
  };
  await assert.rejects(persist(call, { isPassing: (error) => error.passing, wait: async () => {}, random: () => 0 }));
  assert.equal(calls, 1);
});

test('a line goes on after a failure, in order', async () => {
  const inLine = line();
  const order = [];
  const first = inLine(async () => { order.push(1); throw new Error('no'); });
  const second = inLine(async () => order.push(2));
  await assert.rejects(first);
  await second;
  assert.deepEqual(order, [1, 2]);
});

test('a lease is renewed only for somebody who is there', () => {
  const minute = 60_000;
  assert.ok(mayRenew({ visible: true, now: 4 * minute, lastInput: 0 }));
  assert.ok(!mayRenew({ visible: true, now: 6 * minute, lastInput: 0 }));
  assert.ok(!mayRenew({ visible: false, now: minute, lastInput: 0 }));
});

test('a session warns before it ends, by idleness or by its time', () => {
  const at = (now, lastInput, end = 36_000_000) => sessionState({ now, lastInput, idle: 1800, end });
  assert.equal(at(0, 0).state, 'ok');
  assert.deepEqual(at(1_700_000, 0), { state: 'warn', left: 100, last: false });
  assert.equal(at(1_800_000, 0).state, 'over');
  assert.equal(at(35_950_000, 35_949_000).last, true);
});

test('undo counts down from when the server had the decision', () => {
  let now = 0;
  const recent = new Recent(() => now);
  const entry = recent.add({ work: {} });
  assert.equal(recent.left(recent.last), null);
  recent.settle(entry, { decision_id: 3, undo_in: 300 });
  now = 60_000;
  assert.equal(recent.left(recent.last), 240);
  now = 301_000;
  assert.equal(recent.last, null);
  recent.settle(recent.add({}), { decision_id: 4 });
  assert.equal(recent.last, null, 'a job may allow no undo');
});

test('five samples, or all, and those set apart do not count', () => {
  const keys = Array.from({ length: 9 }, (_, n) => `1/${n}`);
  assert.equal(samplesMissing(keys, new Map(keys.slice(0, 3).map((key) => [key, {}])), new Set()), 2);
  assert.equal(samplesMissing(keys, new Map(keys.slice(0, 5).map((key) => [key, {}])), new Set(['1/1'])), 1);
  assert.equal(samplesMissing(keys.slice(0, 3), new Map(keys.slice(0, 3).map((key) => [key, {}])), new Set()), 0);
});

test('a card that is refused again and again has one notice, its last', () => {
  const notice = (why, key, message) => ({ why, work: { key }, message });
  let list = [];
  for (const one of [notice('refused', '1/4', 'a'), notice('taken', '1/4', 'b'), notice('refused', '1/5', 'c'), notice('refused', '1/4', 'd')]) list = withNotice(list, one);
  assert.deepEqual(list.map((one) => one.message), ['b', 'c', 'd']);
});
