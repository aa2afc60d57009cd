/** Types of shared_stream.js. */

import type { State, StreamEvent } from "./client.js";

export interface SharedCall {
  url?: string;
  apiKey?: string;
  options?: Record<string, unknown>;
  signal?: AbortSignal;
  lastEventId?: string;
  onState?: (state: State) => void;
  silenceMs?: number;
  SharedWorker?: typeof SharedWorker;
}

export function sharedInference(call?: SharedCall): AsyncGenerator<StreamEvent, void, void>;
