/**
 * What goes over a live socket as bytes (docs/live.md): samples there, records of 32 bytes back. Pure: no network.
 *
 * Python's twin is clients/python/src/myostream_client/live/messages.py, that for microcontrollers
 * clients/esp32/myostream_esp32/myostream_frames.h; tests/clients/live_cases.json is run by all three.
 */

export const BYTES = { float32: 4, int16: 2, int24: 3 }; // a value
const CODES = { float32: 1, int16: 2, int24: 3 };
const KINDS = [undefined, "frame", "decision", "prediction", "gesture"];
const PHASES = ["onset", "hold", "release"];
const VARIANTS = ["single", "double", "long"];
const REASONS = [undefined, "gesture", "rest", "stalled", "gap", "quality", "model", "completed", "shutdown"];
const [VERSION, HEADER, RECORD, NONE] = [1, 16, 32, 65535];

/**
 * One message of samples.
 *
 * @param {number} firstSample   how many the source has had before
 * @param {ArrayLike<number>} values  sample after sample, each of all channels
 * @param {number} channels
 * @param {"float32" | "int16" | "int24"} [format]
 * @param {{stream: number, firstSample: number, values: ArrayLike<number>, channels: number}[]} [aux]  what comes
 *     beside them; `stream` is its place in the declaration
 * @returns {ArrayBuffer}
 * @throws {RangeError} a value does not fit into the format
 */
export function samplesMessage(firstSample, values, channels, format = "float32", aux = []) {
  const sizes = [HEADER + values.length * BYTES[format], ...aux.map((block) => HEADER + block.values.length * 4)];
  const view = new DataView(new ArrayBuffer(sizes.reduce((sum, size) => sum + size)));
  view.setUint8(0, VERSION);
  view.setUint8(1, CODES[format]);
  view.setUint8(2, aux.length);
  view.setUint32(4, values.length / channels, true);
  view.setBigUint64(8, BigInt(firstSample), true);
  let at = write(view, HEADER, values, format);
  for (const block of aux) {
    view.setUint8(at, block.stream);
    view.setUint32(at + 4, block.values.length / block.channels, true);
    view.setBigUint64(at + 8, BigInt(block.firstSample), true);
    at = write(view, at + HEADER, block.values, "float32");
  }
  return view.buffer;
}

function write(view, at, values, format) {
  const size = BYTES[format];
  const most = 2 ** (8 * size - 1);
  for (let k = 0; k < values.length; k += 1) {
    if (format !== "float32" && !(values[k] >= -most && values[k] < most)) {
      throw new RangeError(`${format} goes from ${-most} to ${most - 1}, got ${values[k]}`);
    }
    const place = at + k * size;
    if (format === "float32") view.setFloat32(place, values[k], true);
    else if (format === "int16") view.setInt16(place, values[k], true);
    else {
      view.setUint16(place, values[k] & 0xffff, true);
      view.setInt8(place + 2, values[k] >> 16);
    }
  }
  return at + values.length * size;
}

/**
 * The records of a binary message, each as an object with the names of its JSON.
 *
 * @param {ArrayBuffer} buffer
 * @returns {object[]}
 * @throws {RangeError} it is no such message
 */
export function readRecords(buffer) {
  if (buffer.byteLength === 0 || buffer.byteLength % RECORD) {
    throw new RangeError(`records have ${RECORD} bytes each, got ${buffer.byteLength}`);
  }
  const view = new DataView(buffer);
  const records = [];
  for (let at = 0; at < buffer.byteLength; at += RECORD) records.push(record(view, at));
  return records;
}

function record(view, at) {
  const version = view.getUint8(at);
  if (version !== VERSION) throw new RangeError(`version ${version} of a record is not known, only ${VERSION}`);
  if (KINDS[view.getUint8(at + 1)] === "gesture") return gesture(view, at);
  const [prediction, decision] = [view.getUint16(at + 2, true), view.getUint16(at + 24, true)];
  return {
    type: KINDS[view.getUint8(at + 1)] ?? "unknown",
    prediction: prediction === NONE ? null : prediction,
    sample_index: Number(view.getBigUint64(at + 4, true)), // of a prediction the id of its message
    age_ms: view.getFloat32(at + 12, true),
    confidence: view.getFloat32(at + 16, true),
    intensity: view.getFloat32(at + 20, true),
    decision: decision === NONE ? null : decision,
    dropped: view.getUint16(at + 26, true), // since the record before
    frame: view.getUint32(at + 28, true),
  };
}

/** Without the names that only the text has: `class` is a number, and how the muscle began is told in samples before. */
function gesture(view, at) {
  const what = view.getUint16(at + 24, true);
  const reason = REASONS[what >> 4];
  return {
    type: "gesture",
    phase: PHASES[what & 3],
    variant: VARIANTS[(what >> 2) & 3],
    ...(reason && { reason }),
    class: view.getUint16(at + 2, true),
    id: view.getUint32(at + 28, true),
    sample_index: Number(view.getBigUint64(at + 4, true)),
    began_samples_ago: view.getUint16(at + 26, true), // 65535: so many or more
    strength: view.getFloat32(at + 20, true),
    confidence: view.getFloat32(at + 16, true),
    held_s: view.getFloat32(at + 12, true),
  };
}
