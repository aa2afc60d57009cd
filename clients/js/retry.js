/** Whether and when to try again. */

export const FINISHED = "end"; // id of the last event of a stream that has said all: not again
export const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** Doubles with each attempt, and varies by half, so that a crowd does not come back all at once. */
export function backOff(attempt, firstMs) {
  const delay = Math.min(firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 16), Math.max(firstMs, LONGEST_DELAY_MS));
  return delay * (0.5 + Math.random() / 2);
}

/** Waits, or until `signal` aborts; never throws. */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done);
  });
}
