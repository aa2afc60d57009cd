// A live socket whose server does what the test wants (RFC 6455, as much of it as that takes).
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** One client. `script` hears of each message, and may send, refuse, close or cut. */
export class Peer {
  messages = [];
  #socket;
  #held = Buffer.alloc(0);
  #script;

  constructor(socket, url, script) {
    this.#socket = socket;
    this.url = new URL(url, "http://server");
    this.query = Object.fromEntries(this.url.searchParams);
    this.#script = script;
    socket.on("data", (data) => this.#read(data));
    socket.on("error", () => {});
  }

  say(message) {
    const data = message instanceof Uint8Array ? message : Buffer.from(JSON.stringify(message));
    this.#write(message instanceof Uint8Array ? 2 : 1, data);
  }

  close(code, reason = "") {
    this.#write(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
    this.#socket.end();
  }

  cut() {
    this.#socket.destroy();
  }

  #write(opcode, data) {
    const head = data.length < 126 ? [0x80 | opcode, data.length] : [0x80 | opcode, 126, data.length >> 8, data.length & 255];
    if (this.#socket.writable) this.#socket.write(Buffer.concat([Buffer.from(head), data]));
  }

  #read(data) {
    this.#held = Buffer.concat([this.#held, data]);
    for (;;) {
      const held = this.#held;
      if (held.length < 2) return;
      const short = held[1] & 127;
      const begins = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (held.length < begins) return;
      const size = short < 126 ? short : short === 126 ? held.readUInt16BE(2) : Number(held.readBigUInt64BE(2));
      const ends = begins + 4 + size;
      if (held.length < ends) return;
      const mask = held.subarray(begins, begins + 4);
      const payload = Buffer.from(held.subarray(begins + 4, ends).map((byte, k) => byte ^ mask[k & 3]));
      this.#held = held.subarray(ends);
      if ((held[0] & 15) === 8) this.#socket.end();
      if ((held[0] & 15) !== 2) continue;
      this.messages.push(payload);
      this.#script.message?.(this, payload, this.messages.length);
    }
  }
}

/** A server of one source that acknowledges; `scripts` are for one connection after the other, the last for all others. */
export async function serving(t, { scripts = [{}], answers = () => ({ status: 404, body: {} }), upgrades = true } = {}) {
  const found = { peers: [], asked: [], taken: new Map(), nextSample: null };
  const acknowledge = (peer, message) => {
    const [count, first] = [message.readUInt32LE(4), Number(message.readBigUInt64LE(8))];
    const start = found.nextSample ?? first;
    const fresh = Math.max(0, Math.min(count, first + count - start));
    for (let k = count - fresh; k < count; k += 1) found.taken.set(first + k, message.readFloatLE(16 + 4 * k * 2));
    found.nextSample = Math.max(start, first + count);
    const lost = Math.max(0, first - start);
    peer.say({ type: "ack", next_sample: found.nextSample, received: fresh, duplicates: count - fresh, lost });
  };
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const asked = { method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts) };
    found.asked.push(asked);
    const { status, body, type = "application/json" } = answers(asked);
    response.writeHead(status, { "Content-Type": type });
    response.end(status === 204 ? undefined : Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
  server.on("upgrade", (request, socket) => {
    if (!upgrades) return socket.end("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(`HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const script = { message: acknowledge, ...scripts[Math.min(found.peers.length, scripts.length - 1)] };
    const peer = new Peer(socket, request.url, script);
    found.peers.push(peer);
    peer.acknowledge = (message) => acknowledge(peer, message);
    if (script.greet !== false) peer.say({ type: "live", source: "arm", next_sample: found.nextSample });
    return script.opened?.(peer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    found.peers.forEach((peer) => peer.cut());
    server.closeAllConnections();
    server.close();
  });
  found.url = `http://127.0.0.1:${server.address().port}`;
  return found;
}
