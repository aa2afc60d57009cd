// What a module exports, and what its calls take by their own comments, beside what its declarations say.
import * as js from "../js/client.js";
import * as liveJs from "../js/live_source.js";
import * as framesJs from "../js/live_frames.js";
import * as sharedJs from "../js/shared_stream.js";
import type * as types from "myostream-client";
import type * as framesTypes from "myostream-client/live_frames.js";
import type * as liveTypes from "myostream-client/live_source.js";
import type * as sharedTypes from "myostream-client/shared_stream.js";

type Keys<T> = T extends unknown ? keyof T : never; // of a union all
type Said<T> = 0 extends 1 & T ? never : T; // of "any", which no comment says, nothing
type Taken<F> = F extends (call: infer Call, ...more: never[]) => unknown ? Keys<NonNullable<Said<Call>>> : never;

/** Exported, or taken by a call, and not declared. */
type Undeclared<Js, Types> =
  | Exclude<keyof Js, keyof Types>
  | { [Name in keyof Js & keyof Types]: Exclude<Taken<Js[Name]>, Taken<Types[Name]>> }[keyof Js & keyof Types];
/** Declared, and not there. */
type Missing<Js, Types> = Exclude<keyof Types, keyof Js>;
type Differing<Js, Types> = Undeclared<Js, Types> | Missing<Js, Types>;

type Verdict<Names> = [Names] extends [never] ? "alike" : `differs: ${Names & string}`; // an error names what differs
export const client: Verdict<Differing<typeof js, typeof types>> = "alike";
export const shared: Verdict<Differing<typeof sharedJs, typeof sharedTypes>> = "alike";
export const live: Verdict<Differing<typeof liveJs, typeof liveTypes>> = "alike";
export const frames: Verdict<Differing<typeof framesJs, typeof framesTypes>> = "alike";
