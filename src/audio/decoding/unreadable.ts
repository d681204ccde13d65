/** The one failure that a file itself can cause, as both ends of the talk know it. */

/** Nothing in this file can be heard. The message is one line for whoever sent the file and names no file. */
export class UnreadableRecording extends Error {
  override readonly name = "UnreadableRecording"
}
