/** The SharedWorker of shared_stream.js: one for all pages of an origin. */

import { Sharing } from "./sharing.js";

const sharing = new Sharing();
globalThis.onconnect = ({ ports }) => sharing.connect(ports[0]);
