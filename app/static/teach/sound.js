/** A tone at each change, for those who want one. */

const TONES = { gesture: 880, rest: 440, done: 660 }; // Hz
const [LENGTH_S, LOUD] = [0.16, 0.2];

/** Silent until it is switched on, by a click: a browser lets no page make a sound before. */
export class Sound {
  #context = null;

  constructor(on) {
    this.on = on;
  }

  /** @param {keyof typeof TONES} what */
  play(what) {
    if (!this.on) return;
    this.#context ??= new AudioContext();
    const { currentTime: now, destination } = this.#context;
    const [tone, volume] = [this.#context.createOscillator(), this.#context.createGain()];
    tone.frequency.value = TONES[what];
    volume.gain.setValueAtTime(0, now);
    volume.gain.linearRampToValueAtTime(LOUD, now + 0.01); // without a click
    volume.gain.exponentialRampToValueAtTime(0.001, now + LENGTH_S);
    tone.connect(volume).connect(destination);
    tone.start(now);
    tone.stop(now + LENGTH_S);
  }
}
