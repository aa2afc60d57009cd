// One line of JSON in, {pieces: [hex]}, and one out, {events, lastEventId, retry}: what clients/js/sse.js makes of it.
import { createInterface } from "node:readline";
import { SseParser } from "../../clients/js/sse.js";

for await (const line of createInterface({ input: process.stdin })) {
  const parser = new SseParser();
  const events = JSON.parse(line).pieces.flatMap((hex) => parser.feed(Buffer.from(hex, "hex")));
  console.log(JSON.stringify({ events, lastEventId: parser.lastEventId, retry: parser.retry }));
}
