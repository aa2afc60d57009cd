/** Types of live_source.js. Messages are the server's own JSON: docs/live.md has their fields. */

import type { Completed, Frame, GestureEvent, ModelChange, SignalFrame, SourceChange, State, Trouble, ValueFrame } from "./client.js";
import type { LiveRecord, SampleFormat } from "./live_frames.js";

export interface LiveDecision {
  type: "decision";
  sample_index: number; // samples since the source started, up to the window's end
  decision: number;
  decision_label: string;
  confidence: number;
  age_ms: number;
}

export interface LiveQuality {
  type: "quality";
  source: string;
  ok: boolean;
  sample_index: number;
  loss: number;
  advice: string | null;
  channels: { channel: number; ok: boolean; problems: string[] }[];
}

export type LiveEvent =
  | ((Frame | SignalFrame | ValueFrame) & { type: "frame" })
  | ((SourceChange | ModelChange | Trouble) & { type: "state" })
  | (Completed & { type: "completed" })
  | (GestureEvent & { type: "gesture" })
  | LiveDecision
  | LiveQuality
  | LiveRecord;

export interface AuxDeclaration {
  name: string;
  channel_names: string[];
  units: string;
  sampling_rate_hz: number;
}

export interface Receipt {
  accepted: number;
  duplicates: number;
  lost_samples: number;
  next_sample: number;
}

export type Samples = ArrayLike<number> | number[][];

export interface LiveCall {
  url?: string;
  apiKey?: string;
  name: string;
  channels: number;
  samplingRateHz: number;
  units?: string;
  model?: string;
  profile?: string;
  aux?: AuxDeclaration[];
  sampleFormat?: SampleFormat;
  scale?: number;
  send?: ("frames" | "decisions" | "quality" | "states")[];
  format?: "json" | "binary";
  options?: Record<string, unknown>;
  transport?: "auto" | "websocket" | "http";
  signal?: AbortSignal;
  onState?: (state: State) => void;
  firstDelayMs?: number;
  WebSocket?: typeof WebSocket;
  fetch?: typeof fetch;
}

export interface LiveSource extends AsyncIterable<LiveEvent> {
  readonly transport: "websocket" | "http";
  nextSample: number;
  send(samples: Samples, aux?: Record<string, Samples>): void;
  skip(samples: number, aux?: Record<string, number>): void;
  flush(): Promise<Receipt>;
  close(): Promise<void>;
}

export function liveSource(call: LiveCall): Promise<LiveSource>;
