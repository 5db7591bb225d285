// The microphone's and the speaker's side of a test call, in the audio thread. The call has 8 kHz; the
// browser's clock has another rate, and filters before and after this (microphone.js) keep to 3.4 kHz.

const CALL_HZ = 8000;
const FRAME_SAMPLES = 160; // 20 ms
const FIRST_WAIT_SAMPLES = CALL_HZ * 0.08; // before playing begins, and again after a gap
const MOST_SAMPLES = CALL_HZ * 0.4; // what has waited longer is left out

/** Posts frames of int16 at 8 kHz. */
class Microphone extends AudioWorkletProcessor {
  #frame = new Int16Array(FRAME_SAMPLES);
  #filled = 0;
  #place = 0; // of the next sample, in samples of the input block
  #last = 0;

  process([[input]]) {
    const step = sampleRate / CALL_HZ;
    const length = input?.length ?? 128;
    while (this.#place < length) {
      const before = Math.floor(this.#place);
      const share = this.#place - before;
      // One sample behind, so that the block before gives the neighbour of the first.
      const one = before === 0 ? this.#last : input?.[before - 1] ?? 0;
      const other = input?.[before] ?? 0;
      this.#put(one + (other - one) * share);
      this.#place += step;
    }
    this.#place -= length;
    this.#last = input?.[length - 1] ?? 0;
    return true;
  }

  #put(sample) {
    this.#frame[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.#filled < FRAME_SAMPLES) return;
    this.port.postMessage(this.#frame.buffer, [this.#frame.buffer]);
    this.#frame = new Int16Array(FRAME_SAMPLES);
    this.#filled = 0;
  }
}

/** Plays int16 at 8 kHz that it is posted. */
class Speaker extends AudioWorkletProcessor {
  #samples = [];
  #place = 0;
  #isPlaying = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      this.#samples.push(...new Int16Array(data));
      const excess = this.#samples.length - MOST_SAMPLES;
      if (excess > 0) this.#samples.splice(0, excess);
    };
  }

  process(_, [[output]]) {
    if (!this.#isPlaying && this.#samples.length < FIRST_WAIT_SAMPLES) return true;
    this.#isPlaying = true;
    const step = CALL_HZ / sampleRate;
    for (let index = 0; index < output.length; index += 1) {
      const before = Math.floor(this.#place);
      if (before + 1 >= this.#samples.length) {
        this.#isPlaying = false;
        break;
      }
      const share = this.#place - before;
      output[index] = (this.#samples[before] * (1 - share) + this.#samples[before + 1] * share) / 32768;
      this.#place += step;
    }
    const done = Math.min(Math.floor(this.#place), this.#samples.length);
    this.#samples.splice(0, done);
    this.#place -= done;
    return true;
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("speaker", Speaker);
