/**
 * `listen`: what is said on standard input, told while it is said, by this program's own engine or by a server elsewhere. Sound is
 * samples, or a WAV file that need not end. Knows the order of the steps; who hears and what is shown are in `listen/`.
 */
import type { AudioFormat } from "../audio/input.ts"
import { createBeginningReader } from "../audio/wav-stream.ts"
import { type Config, DEFAULT_CONFIG, withWishes } from "../dialects/config.ts"
import { createPaint } from "./colours.ts"
import { listenThere, socketAddress } from "./listen/far-server.ts"
import type { Listener } from "./listen/listener.ts"
import { type RawListenOptions, wishesOf } from "./listen/options.ts"
import { listenHere } from "./listen/own-engine.ts"
import { createTell } from "./listen/telling.ts"
import { EXIT, type Program } from "./program.ts"
import { reasonOf } from "./reason.ts"

/** Ends with the sound, or with the first Ctrl-C: what was said until then is told. 1 if words were lost. */
export async function listen(program: Program, raw: RawListenOptions): Promise<number> {
  const { writeError, input } = program
  if (input.terminal) {
    writeError(NOTHING_PIPED)
    return EXIT.badSettings
  }
  const { wishes, fault } = wishesFor(program, raw)
  if (fault !== undefined) {
    writeError(`xrx-stt listen: ${fault}`)
    return EXIT.badSettings
  }
  let listener: Listener | undefined
  try {
    const sound = await openSound(program)
    const wished = { ...wishes, ...sound.format }
    listener = raw.url === undefined ? await here(program, wished) : await there(program, raw.url, wished, raw.language)
    const telling = tellAll(listener, createTell(raw.format, program))
    await Promise.race([giveAll(sound.bytes, listener), telling])
    listener.finish()
    return (await telling) ? EXIT.drained : EXIT.failed
  } catch (error) {
    writeError(`xrx-stt listen: ${reasonOf(error)}`)
    return EXIT.failed
  } finally {
    await listener?.close()
  }
}

const NOTHING_PIPED = [
  "listen hears what is piped into it. With a microphone:",
  "  arecord -q -f S16_LE -r 16000 -c 1 | xrx-stt listen             Linux",
  "  sox -q -d -t raw -e signed -b 16 -r 16000 -c 1 - | xrx-stt listen   macOS, with sox of Homebrew",
  "Recordings are for `xrx-stt transcribe FILE`.",
].join("\n")

type Wishes = Partial<Config>

/** Interims where somebody sees them, or asks for them: they cost a processor's time. */
function wishesFor({ screen, settings }: Program, raw: RawListenOptions) {
  const asked = { interim: raw.format === "txt" && screen !== null, ...wishesOf(raw) }
  const result = withWishes({ ...DEFAULT_CONFIG, language: settings.STT_LANGUAGE_CODE }, asked)
  if (!result.ok) return { wishes: {}, fault: result.fault }
  const names = ["interim", ...Object.keys(wishesOf(raw))] as const
  const wishes: Wishes = Object.fromEntries(Object.entries(result.config).filter(([name]) => names.includes(name)))
  return { wishes, fault: undefined }
}

async function here(program: Program, wishes: Wishes): Promise<Listener> {
  const { terminal, env, settings, writeError } = program
  const own = await listenHere(program, { ...DEFAULT_CONFIG, language: settings.STT_LANGUAGE_CODE, ...wishes })
  if (terminal) {
    const paint = createPaint(terminal, env)
    void own.ready.then(() => writeError(paint("dim", `${own.engine.name} ${own.engine.model} listens; Ctrl-C ends`)))
  }
  return own
}

function there({ terminal, env, writeError }: Program, url: string, wishes: Wishes, language: string | undefined): Promise<Listener> {
  const address = socketAddress(url, { ...wishes, ...(language !== undefined && { language }) })
  return listenThere(address).then((listener) => {
    if (terminal) writeError(createPaint(terminal, env)("dim", `${address.host} listens; Ctrl-C ends`))
    return listener
  })
}

async function giveAll(bytes: AsyncIterable<Uint8Array>, listener: Listener): Promise<void> {
  for await (const slice of bytes) await listener.send(slice)
}

/** Whether nothing was lost. */
async function tellAll(listener: Listener, tell: ReturnType<typeof createTell>): Promise<boolean> {
  let whole = true
  for await (const line of listener.lines) whole = tell(line) && whole
  return whole
}

interface Sound {
  /** End with the sound, or when the program is stopped. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** What a WAV header says of it. */
  readonly format: Wishes
}

const RIFF = "RIFF"

/** A header at the beginning of the sound is read, and does not count as sound. */
async function openSound(program: Program): Promise<Sound> {
  const { stop } = program
  const reader = readerOf(program)
  const giveUp = () => void reader.cancel()
  if (stop.aborted) giveUp()
  stop.addEventListener("abort", giveUp, { once: true })
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < RIFF.length) {
    const next = await reader.read()
    if (next.done) return { bytes: behind(head, reader), format: {} }
    head = Buffer.concat([head, next.value])
  }
  if (!isWav(head)) return { bytes: behind(head, reader), format: {} }
  const header = createBeginningReader()
  for (let bytes = head; ; ) {
    const beginning = header.read(bytes)
    if (beginning.kind === "none")
      throw new Error(`${beginning.fault}: record with arecord -f S16_LE -r 16000, or hear it with transcribe -`)
    if (beginning.kind === "sound") return { bytes: behind(beginning.bytes, reader), format: wishesOfFormat(beginning.format) }
    const next = await reader.read()
    if (next.done) return { bytes: behind(new Uint8Array(0), reader), format: {} }
    bytes = next.value
  }
}

type Reader = ReturnType<typeof readerOf>

const readerOf = ({ input }: Program) => input.bytes().getReader()

const isWav = (head: Uint8Array) => new TextDecoder("latin1").decode(head.subarray(0, RIFF.length)) === RIFF

function wishesOfFormat({ encoding, sampleRateHz, channels }: AudioFormat): Wishes {
  return { encoding, sample_rate: sampleRateHz, channels }
}

async function* behind(head: Uint8Array, reader: Reader): AsyncGenerator<Uint8Array, void> {
  if (head.length > 0) yield head
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
}
