/** Which model reads a source: another one, or the one before, while its streams go on. */

import { asConnectionError, expectOk } from "./client_errors.js";

/**
 * Have another model read a source. Its streams get `{"status": "model"}`, then frames of the new one. It is opened and
 * compared with its reference before; where that fails nothing changes. Takes a key with the scope `control`.
 *
 * @param {object} call
 * @param {string} [call.url]          the server; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {string} call.source         its name
 * @param {string | null} [call.model]  of GET /models; null for none
 * @param {string} [call.profile]      in its place, of GET /profiles: a person's model, montage and decision rule
 * @param {AbortSignal} [call.signal]
 * @param {typeof fetch} [call.fetch]
 * @returns {Promise<{model: string | null, previous: string | null, from_sample: number}>}
 * @throws {ServerError} 404 no such source, 409 another change is under way, 422 it does not fit, 503 it cannot be used
 */
export function useModel({ model, profile, ...call }) {
  return changed("PUT", call, JSON.stringify({ model, profile })); // what is not given is left out
}

/** Go back to the model before, as often as there was one; then it throws a ServerError of status 409. */
export function useModelBefore(call) {
  return changed("DELETE", call);
}

async function changed(method, { url = "", apiKey, source, signal, fetch = globalThis.fetch }, body) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(apiKey && { "X-API-Key": apiKey }) };
  try {
    const path = `${url}/emg/sources/${encodeURIComponent(source)}/model`;
    const answer = await fetch(path, { method, headers, body, signal });
    await expectOk(answer);
    return await answer.json();
  } catch (error) {
    throw asConnectionError(error);
  }
}
