/** Which model reads the source, and where another one is chosen while it runs. */

import { byId, sentence, setText } from "./elements.js";
import { ModelList, toldBy } from "./model_list.js";

const LOOK_MS = 15_000; // many models are many files
const OPEN_MS = 60_000; // a large one is opened by every worker, and tried out before it serves
const NONE = "no model";
const NEEDS = "To choose the model takes a key with the scope control.";

/** A panel and its dialog; `onSwitched` gets what the server answered. */
export class ModelPanel {
  #opening = false;
  #turn = 0; // of the look that was begun last: one that comes back later has nothing more to say
  #source = null; // as /emg/sources has it
  #model = null; // of it
  #swapped = undefined; // name of the model that was chosen here last

  /** @param {import("./server.js").Server} server @param {{onSwitched: (swap: object) => void}} parts */
  constructor(server, { onSwitched }) {
    [this.server, this.onSwitched] = [server, onSwitched];
    this.dialog = byId("models");
    this.list = new ModelList(byId("models-list"), (pick) => this.#choose(pick));
    const does = (id, work) => byId(id).addEventListener("click", work);
    does("model-open", () => {
      this.dialog.showModal();
      this.#look();
    });
    does("model-back", () => this.#goBack());
    does("models-refresh", () => this.#look());
    does("models-close", () => this.dialog.close());
  }

  /** @param {object | null} source  one of /emg/sources  @param {object | null} model  that reads it */
  show(source, model) {
    const changed = source?.name !== this.#source?.name || model?.name !== this.#model?.name;
    if (changed && !this.#opening && (model?.name ?? null) !== this.#swapped) this.#say(""); // somebody else changed it
    [this.#source, this.#model] = [source, model];
    setText(byId("model-name"), source === null ? "No source yet" : (model?.name ?? "No model"));
    setText(byId("model-about"), source === null ? "" : aboutUse(source, model));
    const before = source?.models_before?.at(-1);
    setText(byId("model-back"), before === undefined ? "Back" : `Back to ${called(before)}`);
    this.permit();
  }

  /** Turns off what the key does not open, or what there is nothing for, and says why. */
  permit() {
    const may = this.server.may("control");
    const none = this.#source?.models_before?.length === 0;
    const [choose, back] = [byId("model-open"), byId("model-back")];
    choose.disabled = !may || this.#source === null;
    if (none && document.activeElement === back) choose.focus(); // it would be lost with the button
    back.disabled = !may || this.#source === null || none;
    back.title = may && none ? "No model was used for this source before this one" : "";
    byId("model-needs").hidden = may;
    setText(byId("model-needs"), may ? "" : NEEDS);
  }

  async #look() {
    if (this.#opening) return;
    const turn = (this.#turn += 1);
    this.#say("Looking for models.");
    this.#busy(true);
    const source = this.#source;
    const done = await Promise.all([this.server.get("/models", LOOK_MS), this.#profiles()]).then(
      ([found, profiles]) => () => {
        this.list.show(found, profiles, { ...source, model: this.#model?.name ?? null });
        this.#say(`Streams of the source ${source.name} go on with the one that you choose.`);
      },
      (error) => () => this.#complain(sentence(error.message)),
    );
    if (turn !== this.#turn) return;
    this.#busy(false);
    done();
  }

  /** Those of a server that has any. */
  async #profiles() {
    try {
      return (await this.server.get("/profiles", LOOK_MS)).profiles;
    } catch (error) {
      if (error.status === undefined) throw error;
      return [];
    }
  }

  /** Have that model read the source. */
  use(name) {
    return this.#choose({ model: name });
  }

  #choose(pick) {
    return this.#open(called(pick), (path) => this.server.put(path, pick, OPEN_MS));
  }

  #goBack() {
    const before = this.#source.models_before?.at(-1);
    return this.#open(before === undefined ? "the model before" : called(before), (path) => this.server.delete(path, OPEN_MS));
  }

  /** One at a time. */
  async #open(what, work) {
    if (this.#opening) return;
    this.#opening = true;
    this.#turn += 1; // a look that is under way is of before
    this.#say(what === NONE ? "Going on without a model." : `Opening ${what}: it is tried out before it serves.`);
    this.#busy(true);
    const { name } = this.#source;
    try {
      const swap = await work(`/emg/sources/${encodeURIComponent(name)}/model`);
      this.dialog.close();
      this.#swapped = swap.model;
      this.#say(`${swap.model ?? "No model"} reads the source ${name} from sample ${swap.from_sample.toLocaleString("en")} on.`);
      this.onSwitched(swap);
    } catch (error) {
      this.#complain(whyNot(error));
    }
    this.#opening = false;
    this.#busy(false);
  }

  #busy(is) {
    this.dialog.setAttribute("aria-busy", String(is));
    byId("model").setAttribute("aria-busy", String(is));
  }

  /** Where somebody looks now: in the dialog where it is open, else in the panel. */
  #say(text) {
    this.#write(text, "");
  }

  #complain(text) {
    this.#write("", text);
  }

  #write(said, error) {
    const here = this.dialog.open ? "models" : "model";
    for (const place of ["models", "model"]) {
      setText(byId(`${place}-said`), place === here ? said : "");
      setText(byId(`${place}-error`), place === here ? error : "");
    }
  }
}

/** What was or is to be chosen, in words. */
function called({ model = null, profile = null }) {
  return profile ?? model ?? NONE;
}

/** The model in use, in one line. Pure. */
export function aboutUse({ name, montage, profile }, model) {
  if (model === null) return `Nothing is predicted from the source ${name}.`;
  const version = model.version ? `Version ${model.version}` : "Its version is being asked for";
  const sha = model.sha256 ? ` (${model.sha256.slice(0, 8)})` : "";
  const reads = `reads the source ${name}${montage ? ` by the montage ${montage}` : ""}${profile ? `, with the profile ${profile}` : ""}`;
  return `${version}${sha}, ${reads}. ${toldBy(model)}.`;
}

/** Why a change was not made, in words. Pure. */
export function whyNot({ status, message, problem }) {
  if (status === undefined) return `It is not known whether it has changed: ${sentence(message)}`;
  const why = problem?.errors?.model ?? message;
  return sentence(`Nothing has changed: ${[why].flat().join("; ")}`);
}
