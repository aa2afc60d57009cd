/** Where a replay is, and where it goes on. */

import { asConnectionError, expectOk } from "./client_errors.js";

/**
 * Where the replay is that the server reads, how long it is, and whether it waits.
 *
 * @param {object} call
 * @param {string} [call.url]     the server; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {AbortSignal} [call.signal]
 * @param {typeof fetch} [call.fetch]
 * @returns {Promise<{position_seconds: number, duration_seconds: number, paused: boolean}>}
 * @throws {ServerError} 409: the source is no replay
 */
export function replayPosition(call = {}) {
  return asked("GET", call);
}

/**
 * Have the replay go on from there, wait, or play on; what is not given stays as it is. The sample index counts on. Takes
 * a key with the scope `control`.
 *
 * @param {object} call                as `replayPosition`, and
 * @param {number} [call.positionS]    seconds from its beginning
 * @param {boolean} [call.paused]
 * @throws {ServerError} 409: the source is no replay; 422: that is beyond its end
 */
export function goOn({ positionS, paused, ...call }) {
  return asked("PUT", call, JSON.stringify({ position_seconds: positionS, paused })); // what is not given is left out
}

async function asked(method, { url = "", apiKey, signal, fetch = globalThis.fetch }, body) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(apiKey && { "X-API-Key": apiKey }) };
  try {
    const answer = await fetch(`${url}/emg/source/position`, { method, headers, body, signal });
    await expectOk(answer);
    return await answer.json();
  } catch (error) {
    throw asConnectionError(error);
  }
}
