/** What a server must have given back when nobody is there any more. */
import { type Holding, openFilesOf, type Subject } from "./subject.ts"

/** Of what only exists while somebody is served. */
const EMPTY = [
  "xrx_stt_sessions_open",
  "xrx_stt_requests_open",
  "xrx_stt_upload_bytes_held",
  "xrx_stt_queue_waiting",
  "xrx_stt_pieces_waiting",
]

/** Idle ones are kept for the next recording. */
const DECODERS_MAX = 2

/** Long enough for the longest back-off, and for connections that idle after their last answer. */
const SETTLE_MS = 45_000

/** What is still held that was not held `before`, errors in the log included; waits for what needs a while to go. */
export async function leaksBetween(subject: Subject, before: Holding): Promise<string[]> {
  if (!subject.alive) return ["the server ended", ...subject.faults()]
  const whole = async () => (await held(subject, before)).length === 0
  await subject.settles(whole, SETTLE_MS)
  return [...(await held(subject, before)), ...subject.faults()]
}

async function held(subject: Subject, before: Holding): Promise<string[]> {
  if (!subject.alive) return ["the server ended"]
  const now = await subject.holding()
  const leaks: string[] = []
  const note = (what: string, is: number, was: number) => {
    if (is > was) leaks.push(`${is} ${what}, ${was} before`)
  }
  for (const kind of ["engine", "vad", "other"] as const) {
    const [is, was] = [now.processes[kind].length, before.processes[kind].length]
    if (is !== was) leaks.push(`${is} processes of kind ${kind}, ${was} before`)
  }
  note("decoding processes", now.processes.decode.length, DECODERS_MAX)
  // A process that decodes has a socket and a pipe or two; one connection is our own look.
  const decoders = now.processes.decode.length - before.processes.decode.length
  const own = 3 * Math.max(0, decoders) + 2
  if (now.descriptors > before.descriptors + own)
    leaks.push(`${now.descriptors} descriptors, ${before.descriptors} before: ${JSON.stringify(await openFilesOf(subject.pid))}`)
  for (const name of EMPTY) note(name, await subject.metric(name), 0)
  const readiness = await subject.readiness()
  if (readiness !== 200) leaks.push(`/readyz says ${readiness}`)
  return leaks
}
