/**
 * Writing a text over one utterance, token by token: the port between decoding and the two kinds of decoders. Types and
 * laws only.
 */

export interface TextWriter {
  /**
   * The likeliest tokens after `text`, one after another: at least one, at most `most`, none after the end of text. Texts of
   * one writer MUST go on from each other: each starts with the one before and what was written to it, or some of that.
   * Rejects with an EngineError `unavailable` if the model fails.
   */
  write(text: readonly number[], options: WriteOptions): Promise<Written>
  /** Frees what was heard. Idempotent. */
  close(): void
}

export interface WriteOptions {
  /** Which tokens may not come first, as a `Bans`. */
  readonly bannedFirst: Bans
  /** And later. */
  readonly banned: Bans
  readonly most: number
}

/** 1 for each token that must not be written; tokens beyond its end must not either. Never changed once it is used. */
export type Bans = Uint8Array

export interface Written {
  readonly tokens: readonly number[]
  /** Of each: natural log of its probability among the tokens that were allowed. */
  readonly logprobs: readonly number[]
  /** Probability of the no-speech token, among all, after the first token of `text`; of the first text only. */
  readonly noSpeechProb: number
}
