/** Where live sound comes from: the microphone, or the built-in sample in real time. Knows no socket and no words. */

export interface Source {
  /** Idempotent. */
  stop(): void
}

export type Hear = (samples: Int16Array) => void

/** @throws DOMException as getUserMedia does, if there is no microphone or it may not be used */
export async function openMicrophone(hear: Hear): Promise<Source> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  })
  const context = new AudioContext()
  const input = context.createMediaStreamSource(stream)
  input.connect(await listener(context, hear))
  await context.resume()
  return {
    stop() {
      for (const track of stream.getTracks()) track.stop()
      closeOnce(context)
    },
  }
}

/** Speaks it aloud too. `ended` when all of it was heard; a second of silence follows, so that its last utterance ends. */
export async function openSample(hear: Hear, ended: () => void): Promise<Source> {
  const context = new AudioContext()
  const response = await fetch("/page/sample.wav")
  const sound = await context.decodeAudioData(await response.arrayBuffer())
  const player = context.createBufferSource()
  const padded = context.createBuffer(1, sound.length + context.sampleRate, context.sampleRate)
  padded.copyToChannel(sound.getChannelData(0), 0)
  player.buffer = padded
  player.connect(await listener(context, hear))
  player.connect(context.destination)
  player.onended = ended
  await context.resume()
  player.start()
  return { stop: () => closeOnce(context) }
}

async function listener(context: AudioContext, hear: Hear): Promise<AudioWorkletNode> {
  await context.audioWorklet.addModule("/page/microphone.js")
  const node = new AudioWorkletNode(context, "microphone", { numberOfInputs: 1, numberOfOutputs: 0 })
  node.port.onmessage = ({ data }: MessageEvent<Int16Array>) => hear(data)
  return node
}

function closeOnce(context: AudioContext) {
  if (context.state !== "closed") void context.close()
}
