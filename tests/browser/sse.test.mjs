// clients/js/sse.js by the cases that the Python parser is tested with too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MAX_EVENT, SseParser } from "../../clients/js/sse.js";

const CASES = JSON.parse(readFileSync(new URL("../clients/sse_cases.json", import.meta.url)));

function parsed(...pieces) {
  const parser = new SseParser();
  return { events: pieces.flatMap((piece) => parser.feed(piece)), last: parser.lastEventId };
}

for (const { name, hex, stream, events, last_event_id: last } of CASES) {
  test(`bytes: ${name}`, () => {
    const bytes = Buffer.from(hex, "hex");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      assert.deepEqual(parsed(bytes.subarray(0, cut), bytes.subarray(cut)), { events, last }, `cut at ${cut}`);
    }
    assert.deepEqual(parsed(...Array.from(bytes, (byte) => Uint8Array.of(byte))), { events, last });
  });
  if (stream === undefined) continue; // no text
  test(`text: ${name}`, () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      assert.deepEqual(parsed(stream.slice(0, cut), stream.slice(cut)), { events, last }, `cut at ${cut}`);
    }
  });
}

test("the id of an earlier connection holds until another comes", () => {
  const parser = new SseParser({ lastEventId: "41" });
  assert.deepEqual(parser.feed("data: a\n\nid: 42\ndata: b\n\n").map((event) => event.id), ["41", "42"]);
});

test("an event without end is refused before it fills the memory", () => {
  const parser = new SseParser();
  const piece = `data: ${"x".repeat(1024 * 1024)}`;
  assert.throws(() => {
    for (let size = 0; size <= MAX_EVENT; size += piece.length) parser.feed(piece);
  }, RangeError);
});
