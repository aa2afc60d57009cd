/** Types of client.js. Events are the server's own JSON: docs/api.md has their fields. */

export interface Frame {
  timestamp: number;
  frame: number;
  latency_ms: number;
  prediction: number;
  label: string;
  confidence: number;
  probabilities: number[];
  decision: number;
  decision_label: string;
  intensity: number;
  truth: string | null;
  sample_index: number;
  age_ms: number;
  shape: [number, number];
  backend: string;
  cpu_percent: number;
  dropped: number;
  missing_samples?: number;
  quality?: Record<string, number[]>;
  signal?: number[][];
}

export interface SourceChange {
  status: "stalled" | "recovered";
  timestamp: number;
  decision: number;
  decision_label: string;
  source_state: string;
}

export interface Completed {
  status: "completed";
  total_frames: number;
  duration_seconds: number;
  avg_fps: number;
  reason?: string;
}

export interface Trouble {
  error: string;
  timestamp: number;
  frame: number;
}

export type StreamEvent = Frame | SourceChange | Completed | Trouble;

export interface State {
  state: "connecting" | "open" | "waiting" | "completed" | "closed" | "failed";
  attempt: number;
  delayMs?: number;
  error?: Error;
  reason?: string;
}

export interface StreamCall {
  url?: string;
  apiKey?: string;
  options?: Record<string, unknown>;
  signal?: AbortSignal;
  lastEventId?: string;
  onState?: (state: State) => void;
  onId?: (id: string) => void;
  maxAttempts?: number;
  firstDelayMs?: number;
  idleMs?: number;
  fetch?: typeof fetch;
}

export function streamInference(call?: StreamCall): AsyncGenerator<StreamEvent, void, void>;

export interface EventSourceCall {
  url?: string;
  apiKey?: string;
  options?: Record<string, unknown>;
  onEvent: (event: StreamEvent, id: string) => void;
  onState?: (state: State) => void;
  firstDelayMs?: number;
  EventSource?: typeof EventSource;
  fetch?: typeof fetch;
}

export function eventSource(call: EventSourceCall): { close: () => void };

export class ServerError extends Error {
  status: number;
  problem: { title?: string; detail?: string; errors?: object; cure?: string };
  retryAfterMs: number | null;
  get passing(): boolean;
}

export class ConnectionError extends Error {
  passing: true;
}

export function expectOk(answer: Response): Promise<void>;

export class SseParser {
  constructor(start?: { lastEventId?: string });
  lastEventId: string;
  retry: number | null;
  feed(piece: string | Uint8Array): { event: string; data: string; id: string }[];
}
