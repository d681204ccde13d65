/** When a small local Whisper is not to be believed. Pure numbers: no audio, no text. */
import type { SilenceRule } from "../../speech/transcript.ts"

/** Above the no-speech threshold, words must be this sure (avg logprob) to count: "you" over digital silence reaches -0.48. */
const SURE_AVG_LOGPROB = -0.4

/** Words less sure than this need a no-speech probability well below the threshold to count. */
const WILD_GUESS_AVG_LOGPROB = -1.5

/** How far below, as a part of the threshold. */
const WELL_BELOW = 0.3

/**
 * Calibrated with Whisper base at a threshold of 0.7 on 114 recordings without speech (noise, hum, clicks, music, animals) and
 * 388 with (among them -40 dB, 3 dB signal to noise, and cuts of 0.7 s): no text on any of the former; of the latter six
 * cuts and one at -40 dB fall silent, most of these with wrong words. OpenAI's rule leaves text on 29 of the former.
 */
export const whisperSilence: SilenceRule = (noSpeechProb, avgLogprob, noSpeechThreshold) =>
  noSpeechProb > noSpeechThreshold
    ? avgLogprob < SURE_AVG_LOGPROB
    : avgLogprob < WILD_GUESS_AVG_LOGPROB && noSpeechProb > WELL_BELOW * noSpeechThreshold
