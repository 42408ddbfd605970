import assert from 'node:assert/strict';
import { test } from 'node:test';
import { points, roundUp } from '../ops/charts.js';
import { EVERY_MS, Poll } from '../ops/poll.js';

test('a scale ends at a round number', () => {
  const cases = [[0, 1], [1, 1], [3, 5], [5.1, 10], [11, 20], [0.03, 0.05], [700_000, 1_000_000]];
  for (const [value, expected] of cases) assert.ok(Math.abs(roundUp(value) - expected) < expected * 1e-9, `${value}`);
});

test('a line goes through the middle of each step', () => {
  assert.equal(points([0, 5, 10], 3, 10, 300, 100), '50.0,100.0 150.0,50.0 250.0,0.0');
});

/** A page, and a clock that runs when it is told to. */
function bench(ask) {
  const timers = [];
  const heard = { shown: [], trouble: [] };
  const page = { visibilityState: 'visible', addEventListener: (_, act) => { page.changed = act; } };
  const poll = new Poll({
    ask,
    page,
    view: { addEventListener: () => {} },
    show: (answer) => heard.shown.push(answer),
    trouble: (error) => heard.trouble.push(error.message),
    now: () => 0,
    later: (act, ms) => timers.push({ act, ms }) - 1,
    cancel: (at) => { if (timers[at]) timers[at].act = null; },
  });
  const waiting = () => timers.filter((timer) => timer.act);
  const run = async () => {
    const [timer] = waiting();
    const { act } = timer;
    timer.act = null;
    await act();
    return timer.ms;
  };
  return { poll, page, heard, waiting, run };
}

test('it asks again and again, and not while nobody looks', async () => {
  const { poll, page, heard, waiting, run } = bench(async () => 'figures');
  poll.start();
  assert.equal(await run(), 0);
  assert.equal(waiting()[0].ms, EVERY_MS);
  page.visibilityState = 'hidden';
  page.changed();
  assert.equal(waiting().length, 0);
  page.visibilityState = 'visible';
  page.changed();
  assert.equal(await run(), 0, 'at once when it is seen again');
  assert.deepEqual(heard.shown, ['figures', 'figures']);
  poll.stop();
  page.changed();
  assert.equal(waiting().length, 0);
});

test('a failure is told, and what was shown stays', async () => {
  let fails = false;
  const { poll, heard, waiting, run } = bench(async () => {
    if (fails) throw new Error('away');
    return 'figures';
  });
  poll.start();
  await run();
  fails = true;
  await run();
  assert.deepEqual([heard.shown, heard.trouble], [['figures'], ['away']]);
  assert.ok(waiting()[0].ms > EVERY_MS, 'and it takes its time');
  poll.again();
  assert.equal(heard.shown.length, 2);
});
