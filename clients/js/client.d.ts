/** Types of client.js. Events are the server's own JSON: docs/api.md has their fields. */

/** What a device delivered beside EMG since the frame before. */
export interface Aux {
  sample_index: number; // place of its first value in EMG samples, with a fraction
  sampling_rate_hz: number;
  units: string;
  channels: string[];
  values: number[][]; // (channels, points)
}

/** What every frame has. */
interface FrameOfSignal {
  timestamp: number;
  frame: number;
  truth: string | null;
  sample_index: number;
  age_ms: number;
  cpu_percent: number;
  dropped: number;
  missing_samples?: number;
  quality?: Record<string, number[]>;
  signal?: number[][]; // (channels, points), with include_signal
  aux?: Record<string, Aux>; // by name, with include_aux
}

/** A frame of a source that a model reads. */
export interface Frame extends FrameOfSignal {
  latency_ms: number;
  prediction: number;
  label: string;
  confidence: number;
  probabilities: number[];
  unknown?: true; // none of the classes is like this window
  decision: number;
  decision_label: string;
  intensity: number;
  strength?: number; // of the decision: 0 at rest, 1 at the person's own comfortable effort
  shape: [number, number];
  backend: string;
  values?: undefined;
}

/** A frame of a source that no model reads: `"prediction" in event` tells them apart. */
export interface SignalFrame extends FrameOfSignal {
  prediction?: undefined;
  values?: undefined;
}

/** A frame of a model that gives values: `"values" in event` tells it apart. */
export interface ValueFrame extends FrameOfSignal {
  prediction?: undefined;
  latency_ms: number;
  values: Record<string, number>; // what the model says, each in its range
  output: Record<string, number>; // the same, or rest where the signal is too bad: what should be acted upon
  clipped?: true; // the model said one outside of its range
  intensity: number;
  shape: [number, number];
  backend: string;
}

/**
 * A gesture began, is held or ended: with `events` among the options, beside the frames. Each that began ends, also
 * where the signal or the server does, and, with the reason "interrupted", where the connection does. docs/events.md
 */
export interface GestureEvent {
  gesture: string; // name of the class
  phase: "onset" | "hold" | "release";
  id: number; // the same from onset to release; counts up
  variant: "single" | "double" | "long";
  class: number;
  sample_index: number; // of the source, at which it was decided
  began_at: number; // at which the muscle began, found backwards
  refined_by: number; // samples from `began_at` to the end of the first window that showed it
  strength: number; // 0 to 1
  confidence: number; // probability of the class
  held_s: number; // since the onset
  reason?: "gesture" | "rest" | "stalled" | "gap" | "quality" | "model" | "completed" | "shutdown" | "interrupted";
  timestamp: number;
  prediction?: undefined; // nor has it anything else that only frames have
  values?: undefined;
  signal?: undefined;
  aux?: undefined;
}

/** After "recovered" it may be another source, with other channels: GET /emg/sources. */
export interface SourceChange {
  status: "stalled" | "recovered";
  timestamp: number;
  source_state: string;
  decision?: number; // where a model of classes reads it
  decision_label?: string;
  output?: Record<string, number>; // where a model of values reads it
}

/** Another model reads the source: every frame after this one is its own. Who comes back is told again. */
export interface ModelChange {
  status: "model";
  timestamp: number;
  from_sample: number; // of the source: every window that ends at it or later is the new model's
  model: string | null; // null: none reads the source any more
  sha256: string | null; // of its manifest
  classes: string[]; // what `probabilities` are of, in order; empty of a model of values, and without one
  rest_class: string | null;
  outputs: Outputs | null; // what it gives
}

export interface Outputs {
  kind: string;
  values: { name: string; low: number; high: number; rest: number; units: string | null }[];
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

export type StreamEvent =
  Frame | SignalFrame | ValueFrame | GestureEvent | SourceChange | ModelChange | Completed | Trouble;

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
  transport?: "http" | "websocket" | "auto";
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
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

export interface ModelCall {
  url?: string;
  apiKey?: string;
  source: string;
  signal?: AbortSignal;
  fetch?: typeof fetch;
}

export interface Swap {
  model: string | null;
  previous: string | null;
  from_sample: number; // the first of the source's samples with the model
}

export function useModel(call: ModelCall & ({ model: string | null } | { profile: string })): Promise<Swap>;

export function useModelBefore(call: ModelCall): Promise<Swap>;

/** Where a replay is. */
export interface ReplayPosition {
  file: string;
  position_seconds: number;
  duration_seconds: number;
  paused: boolean;
}

export interface ReplayCall {
  url?: string; // the server; "" for the page's own
  apiKey?: string;
  signal?: AbortSignal;
  fetch?: typeof fetch;
}

export function replayPosition(call?: ReplayCall): Promise<ReplayPosition>;

/** What is not given stays as it is. */
export function goOn(call: ReplayCall & { positionS?: number; paused?: boolean }): Promise<ReplayPosition>;

/** What the person is to do now. */
export interface Prompt {
  label: string | null; // null: get ready, or it is paused
  next_label: string | null; // null: this is the last
  seconds_left: number;
  seconds: number; // of this step
  step: number; // 1..steps; 0 while they get ready
  steps: number;
  repetition: number;
  repetitions: number;
  paused: boolean;
  total_seconds_left: number;
  begins: boolean; // it is told for the first time: another step, or paused, or gone on with
}

/** What was made of one prompt. */
export interface Repetition {
  index: number; // of all that were asked, from 0
  label: string;
  repetition: number;
  state: "done" | "skipped";
  verdict: "good" | "nothing" | "other" | "restless" | "bad_signal" | null; // null: not judged
  advice: string | null; // a sentence, where it is not good
  first_sample: number; // of the source
  end_sample: number;
}

/** How it stands with a training: GET /jobs/<id>. */
export interface Progress {
  id: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  stage: string | null;
  text: string; // for people
  progress: number; // roughly, from 0 to 1
}

/** The figures of one model on the repetitions by which the new one was judged. */
export interface Beside {
  who: "new" | "in_use" | "parent" | "lda" | "chance";
  model: string | null;
  accuracy: number | null; // balanced; null: it cannot be told
  interval: [number, number] | null; // 95 %
  ahead: [number, number] | null; // between what the new model is better than this one
  recall: Record<string, number | null> | null; // of each gesture
  why: string | null; // it cannot be told
}

/** By how much they were judged. */
export interface Tested {
  windows: number;
  repetitions: number; // of the gesture that has fewest
  gestures: Record<string, { windows: number; repetitions: number }>;
}

/** The model that was made, how good it is on repetitions that it was not taught, and whether it is used. */
export interface Taught {
  model: string;
  classes: string[];
  told: string; // how good it is, in words
  accuracy: number | null; // balanced; null: there was nothing to judge it by
  interval: [number, number] | null; // of the accuracy, 95 %
  confusion: { classes: string[]; windows: number[][] } | null; // a row a gesture that was made, a column what was told
  alike: { gestures: [string, string]; share: number } | null; // the two that are most mistaken for each other
  more_repetitions: { repetitions: number; accuracy: number; estimated: boolean }[];
  advice: string[]; // what would make it better
  advised: { code: string; values: Record<string, unknown>; text: string }[]; // the same, for another language
  comparison: { model: string; balanced_accuracy: number | null; why: string | null } | null;
  beside: Beside[]; // the new model, others, LDA and guessing, on the same windows; empty where it was not judged
  tested: Tested | null; // null: it was not judged
  used: boolean; // whether the source is read by it now
  why_not_used: string | null;
  source: string | null; // that uses it
  previous: string | null; // the model that it used before
  from_sample: number | null; // the first of the source's samples that the new one reads
  recording: string; // what it was learned from
  job: string;
  profile: string | null; // where it is kept as this person's
  metrics: Record<string, unknown>;
}

export type LessonAction = "pause" | "resume" | "redo" | "skip" | Repetition; // a repetition: that one again
type Answer = LessonAction | null | undefined | void;

export interface TeachCall {
  url?: string;
  apiKey?: string;
  name: string;
  gestures: string[];
  repetitions?: number;
  seconds?: number;
  restSeconds?: number;
  countdownSeconds?: number;
  source?: string;
  person?: string;
  base?: string | null;
  use?: "if-better" | "yes" | "no";
  onPrompt?: (prompt: Prompt) => Answer | Promise<Answer>;
  onRepetition?: (repetition: Repetition) => Answer | Promise<Answer>;
  onProgress?: (job: Progress) => void | Promise<void>;
  signal?: AbortSignal;
  giveUpMs?: number;
  firstDelayMs?: number;
  fetch?: typeof fetch;
}

export function teach(call: TeachCall): Promise<Taught>;

export const FREE_MOVEMENT: string; // what the one prompt of `putOnAgain` is called

export interface PutOnAgainCall extends Omit<TeachCall, "gestures" | "repetitions" | "restSeconds" | "onRepetition"> {}

export function putOnAgain(call: PutOnAgainCall): Promise<Taught>;

export class TeachingError extends Error {}

export class ServerError extends Error {
  status: number;
  problem: {
    title?: string;
    detail?: string;
    errors?: object;
    cure?: string;
    failure?: { code: string; values: Record<string, unknown> }; // of a training that is refused
  };
  retryAfterMs: number | null;
  get passing(): boolean;
}

export class NoWebSocketError extends Error {
  passing: true;
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
