/** One WebSocket of a stream: what client.js has in the place of a request's answer. */

import { ConnectionError, NoWebSocketError } from "./client_errors.js";
import { LiveSocket } from "./live_socket.js";
import { FINISHED } from "./retry.js";

const SPOKEN = new Set(["frame", "gesture", "state", "completed"]);
const USUAL_FPS = 30;

export class LiveConnection {
  #call;
  #socket;

  constructor(call) {
    if (!call.WebSocket) throw new NoWebSocketError("there is no WebSocket here: Node has one from version 22 on");
    this.#call = call;
  }

  /** True once it is open. */
  async open({ lastEventId }) {
    const query = { ...this.#call.options, send: "frames,states", last_event_id: lastEventId || null };
    this.#socket = await LiveSocket.open({ ...this.#call, path: "/infer/live", query });
    return true;
  }

  /** Its events, in the form that those of the other way have. */
  async *events(_, place) {
    const { idleMs, options } = this.#call;
    const silentMs = Math.max(idleMs, 3000 / (options.fps ?? USUAL_FPS));
    for (;;) {
      const message = await this.#socket.next(silentMs);
      if (message === undefined) throw new ConnectionError(`the server said nothing for ${silentMs / 1000} s`);
      const { type, ...rest } = message;
      if (!SPOKEN.has(type)) continue;
      const { [type === "gesture" ? "event_id" : "id"]: id, ...event } = rest; // a gesture has an id of its own
      const last = event.status === "completed" && !["shutdown", "reload", "restart"].includes(event.reason);
      place.lastEventId = last ? FINISHED : (id ?? place.lastEventId);
      yield { id: place.lastEventId, data: event };
      if (event.status === "completed") return;
    }
  }

  close() {
    this.#socket?.close();
  }
}
