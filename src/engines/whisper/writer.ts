/**
 * Writing the texts of a few utterances, token by token and in step: the port between decoding and the two kinds of decoders.
 * Types and laws only.
 */

export interface TextWriter {
  /** How many utterances it writes for. */
  readonly size: number
  /**
   * For each utterance the likeliest tokens after its text, one after another: at least one, at most `most`, the same number for
   * all; what stands behind an end of text means nothing. Texts MUST be one for each utterance and of one length, or null for those
   * whose text is over: nothing is written to them any more. Those of one writer MUST go on from each other: each starts with the one
   * before and what was written to it, or some of that; or all go back to the texts of the first call, to be written anew. Rejects
   * with an EngineError `unavailable` if the model fails.
   */
  write(texts: readonly (readonly number[] | null)[], options: WriteOptions): Promise<readonly Written[]>
  /** Frees what was heard. Idempotent. */
  close(): void
}

export interface WriteOptions {
  /** Which tokens may not come first, as a `Bans`. */
  readonly bannedFirst: Bans
  /** And later. */
  readonly banned: Bans
  readonly most: number
  /**
   * Of a writer for one utterance: what probably follows its text. The writer may look at all of it in one step: then it gives the
   * tokens that agree and the one that follows them, the same tokens that it would have written without. May be ignored.
   */
  readonly draft?: readonly number[] | undefined
  /**
   * 0 or absent: the likeliest token. Above: drawn at random, the flatter the higher; but the same calls on another writer that
   * heard the same MUST draw the same.
   */
  readonly temperature?: number | undefined
  /** Where in the texts the transcript starts, the index of that token: 0 if absent, later if a prompt stands before it. */
  readonly start?: number | undefined
  /** Whether `Written.attention` is wanted. */
  readonly attention?: boolean | undefined
}

/** 1 for each token that must not be written; tokens beyond its end must not either. Never changed once it is used. */
export type Bans = Uint8Array

export interface Written {
  readonly tokens: readonly number[]
  /** Of each: natural log of its probability among the tokens that were allowed, at temperature 0. */
  readonly logprobs: readonly number[]
  /** Probability of the no-speech token, among all, after the token at `WriteOptions.start`; of the first text only. */
  readonly noSpeechProb: number
  /**
   * Where the decoder listened when it wrote each token: for each a row of `heads × positions`, head after head, of the model's
   * alignment heads over the positions (20 ms each) of the audio without its silent tail. Null if not wanted, or if the model does not tell.
   */
  readonly attention: readonly Float32Array[] | null
}
