/** Types of live_frames.js. */

/** A frame, a decision or a prediction in 32 bytes. */
export interface FrameRecord {
  type: "frame" | "decision" | "prediction" | "unknown";
  prediction: number | null;
  sample_index: number;
  age_ms: number;
  confidence: number;
  intensity: number;
  decision: number | null;
  dropped: number; // since the record before
  frame: number;
}

/** A gesture in 32 bytes. */
export interface GestureRecord {
  type: "gesture";
  phase: "onset" | "hold" | "release";
  variant: "single" | "double" | "long";
  reason?: string;
  class: number;
  id: number;
  sample_index: number;
  began_samples_ago: number; // 65535: so many or more
  strength: number;
  confidence: number;
  held_s: number;
  prediction?: undefined; // nor has it anything else that only the other records have
  decision?: undefined;
}

/** What `format: "binary"` gives. */
export type LiveRecord = FrameRecord | GestureRecord;

export type SampleFormat = "float32" | "int16" | "int24";

export const BYTES: Record<SampleFormat, number>; // of a value

export interface AuxBlock {
  stream: number;
  firstSample: number;
  values: ArrayLike<number>;
  channels: number;
}

export function samplesMessage(
  firstSample: number,
  values: ArrayLike<number>,
  channels: number,
  format?: SampleFormat,
  aux?: AuxBlock[],
): ArrayBuffer;

export function readRecords(buffer: ArrayBuffer): LiveRecord[];
