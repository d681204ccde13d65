/** A microphone for pipes: writes the samples of a WAV file in real time, then silence until nobody reads. Argument: the file. */
export {}

const HEADER_BYTES = 44
const SLICE_MS = 100
const SLICE_BYTES = 32 * SLICE_MS

const sound = (await Bun.file(process.argv[2] ?? "").bytes()).subarray(HEADER_BYTES)
process.stdout.on("error", () => process.exit(0))
for (let at = 0; ; at += SLICE_BYTES) {
  const slice = sound.subarray(at, at + SLICE_BYTES)
  process.stdout.write(slice.length > 0 ? slice : new Uint8Array(SLICE_BYTES))
  await Bun.sleep(SLICE_MS)
}
