/** What lets a page in where it can send no header. */

import { asConnectionError, expectOk } from "./client_errors.js";

/** A ticket: good once, in the place of a key that must be in no URL. */
export async function ticketFor(fetch, url, apiKey, signal) {
  try {
    const headers = { "X-API-Key": apiKey };
    const answer = await fetch(`${url}/stream/tickets`, { method: "POST", headers, signal });
    await expectOk(answer);
    return (await answer.json()).ticket;
  } catch (error) {
    throw asConnectionError(error);
  }
}
