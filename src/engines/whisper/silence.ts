/**
 * When a small local Whisper is not to be believed: it was trained on subtitles, and over noise and music it writes what stands in
 * them when nobody speaks. Pure numbers, and last of all a list of phrases: no audio, no detector.
 *
 * Calibrated with the embedded base at a threshold of 0.7 on 389 recordings without speech (noise, tones, keys, animals, music, at
 * several speeds, levels and lengths) and 805 with (among them -20 dB, 3 dB signal to noise, beginnings of 1 and 2 s), against Silero
 * v5 and v6: no text on any of the former; of the latter, but for beginnings in which nobody speaks yet, four of 1 s fall silent, with
 * a word or two in them. Then on 116 others of the one and 147 of the other kind, down to -40 dB and 0 dB: no text, none lost.
 */
import type { Segment, SilenceRule } from "../../speech/transcript.ts"

/** What Silero thinks of a segment. */
export interface Voice {
  /** Highest probability of speech that lasted for 128 ms. */
  readonly peak: number
  readonly mean: number
}

export type Judged = Pick<Segment, "text" | "avgLogprob" | "noSpeechProb" | "compressionRatio">

/** Words this sure (avg logprob) always count. "you" over digital silence reaches -0.48; clear speech lies above -0.4. */
export const SURE_AVG_LOGPROB = -0.4

/** Words less sure than this are doubtful however much the model believes that somebody spoke. OpenAI's number. */
const UNSURE_AVG_LOGPROB = -1

/** Words less sure than this need a no-speech probability well below the threshold to count. */
const WILD_GUESS_AVG_LOGPROB = -1.5

/** How far below, as a part of the threshold. */
const WELL_BELOW = 0.3

/** As a part of the threshold. No recording without speech comes below 0.36 of 0.7. */
const DOUBTFUL_NO_SPEECH = 0.43

/** Above this a text repeats itself, in loops that also noise sets off. OpenAI's number. */
const REPETITIVE = 2.4

/** 128 ms: a click is shorter, a syllable longer. */
const PEAK_WINDOWS = 4

/** Below this peak Silero heard nobody: speech that can be understood reaches 0.9, also at -20 dB. */
const VOICE_PEAK = 0.5

/** What lies between is some kind of tone that could be a voice. Only music comes above. */
const CLEAR_VOICE_PEAK = 0.9

/** Somebody speaks for a good part of the time: then an unsure model is unsure which words, not whether. Music that fools Silero stays below, or Whisper hears that it is music. */
const SPOKEN_MEAN = 0.3

/** As a part of the threshold: how far a phrase of `FILLERS` that nobody else can judge may come below it. */
const FILLER_NO_SPEECH = 0.8

/** What Whisper writes over silence in the languages of its subtitles, in small letters and without marks. */
const FILLERS: ReadonlySet<string> = new Set([
  "",
  "you",
  "bye",
  "bye bye",
  "thank you",
  "thank you very much",
  "thank you so much",
  "thank you for watching",
  "thanks for watching",
  "thank you bye",
  "please subscribe",
  "subtitles by the amara org community",
  "the end",
  "shh",
  "shhh",
  "untertitel der amara org community",
  "vielen dank",
  "sous titres réalisés par la communauté d amara org",
  "merci",
  "merci d avoir regardé cette vidéo",
  "subtítulos realizados por la comunidad de amara org",
  "gracias",
  "gracias por ver el video",
  "sottotitoli creati dalla comunità amara org",
  "grazie",
  "grazie a tutti",
  "obrigado",
  "legendas pela comunidade amara org",
  "продолжение следует",
  "спасибо за просмотр",
  "ご視聴ありがとうございました",
  "字幕由 amara org 社区提供",
  "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
  "谢谢观看",
  "시청해주셔서 감사합니다",
])

/** The rule by Whisper's own two numbers, for when nobody else can be asked. OpenAI's leaves text on 29 of 114 recordings without speech, this one on 4 of 389. */
export const whisperSilence: SilenceRule = (noSpeechProb, avgLogprob, noSpeechThreshold) =>
  noSpeechProb > noSpeechThreshold ? avgLogprob < SURE_AVG_LOGPROB : isWildGuess(noSpeechProb, avgLogprob, noSpeechThreshold)

const isWildGuess: SilenceRule = (noSpeechProb, avgLogprob, noSpeechThreshold) =>
  avgLogprob < WILD_GUESS_AVG_LOGPROB && noSpeechProb > WELL_BELOW * noSpeechThreshold

/** The windows of a segment in the terms of this page. */
export function voiceIn(probabilities: readonly number[]): Voice {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const starts = Array.from({ length: Math.max(1, probabilities.length - PEAK_WINDOWS + 1) }, (_, start) => start)
  const peak = Math.max(...starts.map((start) => mean(probabilities.slice(start, start + PEAK_WINDOWS))))
  return { peak, mean: mean(probabilities) }
}

/** Whether a second opinion is worth its time: of whole utterances with speech 4 in 100, of those without all. */
export function isDoubtful({ avgLogprob, noSpeechProb, compressionRatio }: Judged, noSpeechThreshold: number): boolean {
  if (avgLogprob === null || noSpeechProb === null) return false
  return (
    avgLogprob < UNSURE_AVG_LOGPROB ||
    (noSpeechProb > DOUBTFUL_NO_SPEECH * noSpeechThreshold && avgLogprob < SURE_AVG_LOGPROB) ||
    (compressionRatio !== null && compressionRatio > REPETITIVE)
  )
}

/** Whether nobody spoke in a segment. `voice` is null where Silero cannot be asked. */
export function isSilence(segment: Judged, voice: Voice | null, noSpeechThreshold: number): boolean {
  const { text, avgLogprob, noSpeechProb } = segment
  if (avgLogprob === null || noSpeechProb === null || !isDoubtful(segment, noSpeechThreshold)) return false
  if (voice === null) {
    const filler = noSpeechProb > FILLER_NO_SPEECH * noSpeechThreshold && isFiller(text)
    return filler || whisperSilence(noSpeechProb, avgLogprob, noSpeechThreshold)
  }
  if (voice.peak < VOICE_PEAK) return true
  if (voice.peak < CLEAR_VOICE_PEAK && isFiller(text)) return true
  if (noSpeechProb > noSpeechThreshold) return avgLogprob < UNSURE_AVG_LOGPROB
  return voice.mean < SPOKEN_MEAN && isWildGuess(noSpeechProb, avgLogprob, noSpeechThreshold)
}

function isFiller(text: string): boolean {
  const words = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()
  return FILLERS.has(words)
}
