// When to try again. Pure but for `sleep`.

const FIRST = 1;
const LONGEST = 30;

/**
 * Seconds to wait before attempt `attempt` (from 1). Full jitter over the upper half: hundreds of desks that lost the same
 * server must not come back in the same instant.
 */
export function delay(attempt, random, retryAfter = 0) {
  const ceiling = Math.min(LONGEST, FIRST * 2 ** (attempt - 1));
  return Math.max(ceiling / 2 + (ceiling / 2) * random(), retryAfter > 0 ? retryAfter * (1 + random() / 4) : 0);
}

/**
 * Calls until the answer is one. `isPassing(error)` says which failures pass by themselves; `wait(seconds, error)` waits,
 * and may be cut short by whoever hears that the network is back.
 */
export async function persist(call, { isPassing, wait, random }) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await wait(delay(attempt, random, error.retryAfter), error);
    }
  }
}

/** A line in which tasks wait for each other. One that fails does not hold up those behind it. */
export function line() {
  let last = Promise.resolve();
  return (task) => {
    const run = last.then(task, task);
    last = run.catch(() => {});
    return run;
  };
}
