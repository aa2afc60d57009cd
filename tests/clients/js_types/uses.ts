// Every public call as somebody writes it in TypeScript; what is wrong is expected to be refused.
import {
  ConnectionError,
  eventSource,
  expectOk,
  type Frame,
  FREE_MOVEMENT,
  type GestureEvent,
  goOn,
  type ModelChange,
  NoWebSocketError,
  putOnAgain,
  type ReplayPosition,
  replayPosition,
  ServerError,
  SseParser,
  type StreamEvent,
  streamInference,
  type Swap,
  type Taught,
  teach,
  TeachingError,
  useModel,
  useModelBefore,
  type ValueFrame,
} from "myostream-client";
import { type LiveRecord, readRecords, samplesMessage } from "myostream-client/live_frames.js";
import { type LiveEvent, type LiveSource, liveSource, type Receipt } from "myostream-client/live_source.js";
import { sharedInference } from "myostream-client/shared_stream.js";

const leave = new AbortController();
const server = { url: "http://127.0.0.1:8000", apiKey: "key", signal: leave.signal };

function told(event: StreamEvent): string {
  if ("error" in event) return event.error;
  if ("status" in event) {
    if (event.status === "model") return (event satisfies ModelChange).classes.join();
    return event.status === "completed" ? `${event.total_frames}` : event.source_state;
  }
  if ("phase" in event) return `${(event satisfies GestureEvent).class} ${event.reason ?? event.variant}`;
  if (event.values !== undefined) return `${(event satisfies ValueFrame).output["wrist"]}`;
  if (event.prediction !== undefined) return (event satisfies Frame).decision_label;
  return `${event.signal?.[0]?.[0]}`; // no model reads the source
}

for await (const event of streamInference({ ...server, options: { fps: 30 }, onState: ({ state }) => state })) told(event);
for await (const event of sharedInference({ options: { fps: 30 }, silenceMs: 5000 })) told(event);
eventSource({ onEvent: (event, id) => told(event) + id.length }).close();
// @ts-expect-error somebody has to be told
eventSource({});
// @ts-expect-error a state is one of six
streamInference({ onState: ({ state }) => state === "opened" });

const swap: Swap = await useModel({ ...server, source: "arm", model: null });
await useModel({ source: "arm", profile: "anna" });
await useModelBefore({ source: swap.previous ?? "arm" });
// @ts-expect-error which model?
await useModel({ source: "arm" });
// @ts-expect-error of which source?
await useModelBefore({});

const at: ReplayPosition = await replayPosition();
await goOn({ ...server, positionS: at.duration_seconds / 2, paused: !at.paused });
// @ts-expect-error seconds are a number
await goOn({ positionS: "12" });

const taught: Taught = await teach({
  ...server,
  name: "anna",
  gestures: ["rest", "fist"],
  onPrompt: ({ label, seconds_left }) => console.log(label ?? "get ready", seconds_left),
  onRepetition: (repetition) => (repetition.verdict === "good" ? undefined : repetition), // that one again
  onProgress: ({ text, progress }) => console.log(text, progress),
});
const [low, high] = taught.interval ?? [0, 1];
const ahead: number = taught.beside.find(({ who }) => who === "in_use")?.ahead?.[0] ?? high - low;
const judgedBy: number | undefined = taught.tested?.gestures["fist"]?.windows;
await putOnAgain({ name: "anna", seconds: 10, onPrompt: ({ label }) => (label === FREE_MOVEMENT ? "pause" : null) });
// @ts-expect-error of which gestures?
await teach({ name: "anna" });
// @ts-expect-error it is asked for no gesture
await putOnAgain({ name: "anna", gestures: ["fist"] });
// @ts-expect-error nobody can do that
await teach({ name: "anna", gestures: ["fist", "rest"], onPrompt: () => "sing" });

try {
  await expectOk(await fetch("/health"));
} catch (error) {
  if (error instanceof ServerError && error.passing) console.log(error.status, error.problem.cure, error.retryAfterMs);
  if (error instanceof ConnectionError || error instanceof TeachingError) console.log(error.message);
}
for (const { event, data, id } of new SseParser({ lastEventId: "7" }).feed(new Uint8Array())) console.log(event, data, id);
console.log(ahead, judgedBy);

const armband = { name: "armband", channels: 2, samplingRateHz: 200 };
const aux = [{ name: "imu", channel_names: ["x"], units: "g", sampling_rate_hz: 50 }];
const live: LiveSource = await liveSource({ ...server, ...armband, aux, send: ["frames", "decisions"], options: { fps: 30 } });
live.send(Int16Array.of(1, 2), { imu: [[0.5]] });
live.send([[1, 2]]);
live.skip(3, { imu: 1 });
const receipt: Receipt = await live.flush();
function heard(event: LiveEvent): string | number | undefined {
  switch (event.type) {
    case "decision":
      return "decision_label" in event ? event.decision_label : (event satisfies LiveRecord).frame;
    case "frame":
      return event.sample_index;
    case "quality":
      return event.channels[0]?.problems.join();
    case "state":
      return "error" in event ? event.error : event.status;
    case "completed":
      return event.reason;
    default:
      return event.prediction ?? receipt.accepted;
  }
}
for await (const event of live) heard(event);
await live.close();
// @ts-expect-error how many channels?
await liveSource({ name: "armband", samplingRateHz: 200 });
// @ts-expect-error there are no gestures to be sent
await liveSource({ ...armband, send: ["gestures"] });
// @ts-expect-error the server's field is another
await liveSource({ ...armband, sampling_rate_hz: 200 });
readRecords(samplesMessage(0, [1, 2], 2, "int24")).map(({ decision }: LiveRecord) => decision);
for await (const event of streamInference({ transport: "auto" })) told(event);
try {
  await liveSource({ ...armband, transport: "websocket" });
} catch (error) {
  if (error instanceof NoWebSocketError) error.passing satisfies true;
}
