/** The one failure that a file itself can cause, as both ends of the talk know it, and what is said of it. */

/** Nothing in this file can be heard. The message is one line for whoever sent the file and names no file. */
export class UnreadableRecording extends Error {
  override readonly name = "UnreadableRecording"
}

export const UNKNOWN = "no sound was found in this file: it is damaged, or none of wav, flac, mp3, ogg, opus, webm, m4a, mp4, aac"
export const OTHER_KIND = "this file's sound is of a kind that cannot be decoded"
export const DAMAGED = "this file is damaged: nothing in it can be decoded"
