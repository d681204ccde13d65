/** Which moments of an utterance are so quiet that nobody speaks in them. Pure; samples in. */

/** What lies so far below the loud moments of speech is no part of it: the softest consonants are 30 dB below the vowels. */
const BELOW_SPEECH_DB = 32
/** The noise of a pause stays within so much of the quietest moments. */
const ABOVE_NOISE_DB = 6
/** If the noise comes so near to the speech, quiet moments cannot be told from soft ones. */
const NEAREST_NOISE_DB = 15
const LOUD_QUANTILE = 0.95
const NOISE_QUANTILE = 0.05
/** Sound without silence for so long has noise of its own. */
const OWN_NOISE_MOMENTS = 50

/** 1 for each stretch of `samplesPerMoment` samples that is quiet; a last part of one counts as one. */
export function quietMoments(samples: Int16Array, samplesPerMoment: number): Uint8Array {
  const levels = Float32Array.from({ length: Math.ceil(samples.length / samplesPerMoment) }, (_, moment) => {
    const part = samples.subarray(moment * samplesPerMoment, (moment + 1) * samplesPerMoment)
    let sum = 1
    for (const sample of part) sum += sample ** 2
    return 10 * Math.log10(sum / part.length)
  })
  const quiet = Uint8Array.from(levels)
  const threshold = thresholdOf(levels)
  for (const [at, level] of levels.entries()) quiet[at] = level < threshold ? 1 : 0
  // Noise that is there only around the words, as behind a gate or from one of several takes, hides in the silence of the whole.
  for (let start = 0; start < quiet.length; start++) {
    let end = start
    while (end < quiet.length && quiet[end] === 0) end++
    if (end - start >= OWN_NOISE_MOMENTS) {
      const part = levels.subarray(start, end)
      const own = thresholdOf(part)
      for (const [at, level] of part.entries()) if (level < own) quiet[start + at] = 1
    }
    start = end
  }
  return quiet
}

/** In dB. */
function thresholdOf(levels: Float32Array): number {
  const sorted = levels.toSorted()
  const quantile = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? 0
  const speech = quantile(LOUD_QUANTILE)
  const noise = quantile(NOISE_QUANTILE) + ABOVE_NOISE_DB
  return Math.max(speech - BELOW_SPEECH_DB, Math.min(noise, speech - NEAREST_NOISE_DB))
}
