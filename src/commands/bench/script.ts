/** What a talker of the bench says, and when: recordings one behind the other, with a person's pauses. Pure; knows no socket. */
import { joinSamples, SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { type Clip, distinctSamples } from "./clips.ts"

/** One recording in its place, in samples since the stream began. */
export interface Turn {
  readonly startSample: number
  /** Where it first sounds like a voice, as its loudness tells: not behind its first word. */
  readonly firstSoundSample: number
  readonly endSample: number
}

export interface Script {
  readonly samples: Int16Array
  readonly turns: readonly Turn[]
}

/** When talkers are silent. */
export interface Pace {
  /** After each recording, in turns. */
  readonly pausesSeconds: readonly number[]
  /** Before the first one, by talker. */
  readonly headStartsSeconds: readonly number[]
}

/** Pauses long enough to end an utterance, short enough that nobody rests; no ten talkers begin together. */
export const PACE_OF_PEOPLE: Pace = {
  pausesSeconds: [1, 1.3, 1.6, 1.9],
  headStartsSeconds: [0, 1.75, 0.75, 2.25, 0.25, 1.25, 2, 0.5, 1.5, 1],
}

/** At least one recording, and as many as it takes to speak for so long. The sounds of two talkers are never the same bytes. */
export function scriptOf(clips: readonly Clip[], talker: number, seconds: number, pace = PACE_OF_PEOPLE): Script {
  const { pausesSeconds, headStartsSeconds } = pace
  const parts: Int16Array[] = []
  const turns: Turn[] = []
  let at = 0
  const add = (samples: Int16Array) => {
    parts.push(samples)
    at += samples.length
  }
  add(silence(headStartsSeconds[talker % headStartsSeconds.length] ?? 0))
  for (let turn = 0; turn === 0 || at < seconds * SAMPLE_RATE_HZ; turn++) {
    const clip = clips[(talker + turn) % clips.length]
    if (clip === undefined) throw new Error("nothing to say")
    turns.push({ startSample: at, firstSoundSample: at + firstSoundOf(clip.samples), endSample: at + clip.samples.length })
    add(distinctSamples(clip, talker))
    add(silence(pausesSeconds[(talker + turn) % pausesSeconds.length] ?? 0))
  }
  return { samples: joinSamples(parts), turns }
}

const silence = (seconds: number) => new Int16Array(Math.round(seconds * SAMPLE_RATE_HZ))

/** 10 ms. */
const FRAME_SAMPLES = SAMPLE_RATE_HZ / 100

/** A click is shorter. */
const FRAMES_OF_A_SOUND = 3

/** Below the loudest frame: quieter is breath and room. */
const QUIET_DECIBELS = 30

function firstSoundOf(samples: Int16Array): number {
  const levels = Array.from({ length: Math.floor(samples.length / FRAME_SAMPLES) }, (_, frame) =>
    powerOf(samples.subarray(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES)),
  )
  const threshold = Math.max(0, ...levels) * 10 ** (-QUIET_DECIBELS / 10)
  const frame = levels.findIndex((_, at) => levels.slice(at, at + FRAMES_OF_A_SOUND).every((level) => level > threshold))
  return Math.max(0, frame) * FRAME_SAMPLES
}

function powerOf(frame: Int16Array): number {
  return frame.reduce((total, sample) => total + sample * sample, 0) / frame.length
}
