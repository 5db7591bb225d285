// The browser's microphone and speaker for a test call.

const CALL_BAND_HZ = 3400;
const FILTERS = 3; // of the second order, each

/** Opens the microphone; `close` gives it back. Raises Error when there is none or it is not allowed. */
export class CallAudio {
  /** `take(frame)` gets an ArrayBuffer of 20 ms: int16 at 8 kHz. */
  async open(take) {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new Error("insecure");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("audio_worklet.js");
    await this.context.resume();
    const options = { channelCount: 1, channelCountMode: "explicit" };
    const microphone = new AudioWorkletNode(this.context, "microphone", { ...options, numberOfOutputs: 0 });
    this.speaker = new AudioWorkletNode(this.context, "speaker", { ...options, numberOfInputs: 0, outputChannelCount: [1] });
    this.said = this.#chain(this.context.createMediaStreamSource(this.stream), microphone);
    this.heard = this.#chain(this.speaker, this.context.destination);
    microphone.port.onmessage = ({ data }) => take(data);
  }

  /** Play what came. */
  play(samples) {
    this.speaker?.port.postMessage(samples, [samples]);
  }

  /** Return the level of both directions now, 0 to 1. */
  levels() {
    return [this.said, this.heard].map((analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      return Math.min(1, 4 * Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
    });
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
    this.speaker = null;
  }

  /** Connect with the telephone's band between; return what measures the level. */
  #chain(source, target) {
    const analyser = new AnalyserNode(this.context, { fftSize: 2048 });
    let last = source;
    for (let number = 0; number < FILTERS; number += 1) {
      last = last.connect(new BiquadFilterNode(this.context, { type: "lowpass", frequency: CALL_BAND_HZ }));
    }
    last.connect(analyser);
    last.connect(target);
    return analyser;
  }
}
