/**
 * OpenAI's realtime transcription as a dialect: audio in base64 inside JSON texts, and of each utterance an item: when somebody
 * speaks, what was committed, the words that stand as deltas, and the whole transcript. A client's mistake is answered by an
 * `error` event and changes nothing, except that of a long audio the part before the fault is heard. Knows no socket, no engine
 * and no clock.
 */
import { type AudioReader, bytesPerSecond, createAudioReader } from "../../audio/input.ts"
import type { SpeechEvent } from "../../speech/events.ts"
import { audioFormatOf, type Config, streamChangesOf, streamOptionsOf } from "../config.ts"
import type { Command, Dialect, SessionFacts } from "../dialect.ts"
import { accept } from "../reading.ts"
import { createCommittedItems, createHeardItems, type Items } from "./items.ts"
import { createLines, type Lines } from "./lines.ts"
import { base64Characters, bytesOfBase64, type Message, mistake, readMessage, type WireError } from "./messages.ts"
import { type Session, updatedSession } from "./settings.ts"
import { showBeta, showGa } from "./shown.ts"

/** What OpenAI asks of a commit. */
const COMMIT_MS_MIN = 100

/** Sound that takes some ms to read. */
const PART_SECONDS = 2

/** The wire demands a time; a session here ends with its socket, so it gets one that is far away. */
const EXPIRES_SECONDS = 24 * 3600

export interface RealtimeOptions {
  readonly session: Session
  /** What it means (settings.ts). */
  readonly config: Config
  /** The older wire, from the first event on. A client that updates a `transcription_session` gets it from there on. */
  readonly beta: boolean
  /** Whether a client may name this model. */
  readonly serves: (model: string) => boolean
}

export function createRealtime(initial: RealtimeOptions): Dialect {
  let { session, config, beta } = initial
  let facts: SessionFacts = { session: "", unixMs: 0, model: "" }
  let lines: Lines = createLines("")
  let reader: AudioReader | undefined
  /** Set from the first audio on: then it is settled who ends utterances. */
  let items: Items | undefined
  /** Of all audio so far. */
  let heardMs = 0
  /** Where in it the audio begins that no item holds yet. */
  let bufferMs = 0

  function say(text: string): Command {
    return { type: "say", text }
  }

  function refuse(error: WireError, eventId: string | null): readonly Command[] {
    return [say(lines.line("error", { error: { ...error, event_id: eventId } }))]
  }

  function sessionLine(type: string): string {
    const expiresAt = Math.floor(facts.unixMs / 1000) + EXPIRES_SECONDS
    const shown = { id: `sess_${facts.session.replaceAll("-", "")}`, expiresAt, model: facts.model }
    return lines.line(type, { session: beta ? showBeta(session, shown) : showGa(session, shown) })
  }

  function started(): Items {
    items ??= config.vad === "none" ? createCommittedItems(lines.createItem) : createHeardItems(lines.createItem)
    return items
  }

  function obey(message: Message, eventId: string | null): readonly Command[] | Iterator<Command> {
    switch (message.type) {
      case "session.update":
      case "transcription_session.update":
        return update(message, eventId)
      case "input_audio_buffer.append":
        return append(message.audio, eventId)
      case "input_audio_buffer.commit":
        return commit(eventId)
      case "input_audio_buffer.clear":
        return clear()
    }
  }

  function update({ type, session: given }: Message & { session: unknown }, eventId: string | null): readonly Command[] {
    const updated = updatedSession(session, given)
    if (!updated.ok) return refuse(mistake("invalid_value", updated.message, updated.param), eventId)
    const { paths } = updated
    const { transcription } = updated.session
    if (transcription?.model && !initial.serves(transcription.model)) {
      return refuse(mistake("model_not_found", "there is no such model", `${paths.transcription}.model`), eventId)
    }
    if (items && updated.config.vad !== config.vad) {
      const message = "turn_detection can be turned on or off only before the first audio"
      return refuse(mistake("invalid_value", message, paths.turnDetection), eventId)
    }
    const { encoding, sample_rate } = updated.config
    const rest = encoding === config.encoding && sample_rate === config.sample_rate ? [] : endReader()
    session = updated.session
    config = updated.config
    beta ||= type === "transcription_session.update"
    const told = say(sessionLine(type === "session.update" ? "session.updated" : "transcription_session.updated"))
    return items ? [...rest, { type: "configure", changes: streamChangesOf(config) }, told] : [told]
  }

  /** What the reader held back belongs to what was said before. */
  function endReader(): readonly Command[] {
    const rest = reader ? accept(reader.end()) : []
    reader = undefined
    return rest
  }

  function append(audio: string, eventId: string | null): readonly Command[] | Iterator<Command> {
    // Whole groups of four characters, so that each part is base64 by itself.
    const partCharacters = base64Characters(PART_SECONDS * bytesPerSecond(audioFormatOf(config)))
    const commands = readParts(audio, partCharacters, eventId)
    return audio.length <= partCharacters ? [...commands] : commands
  }

  function* readParts(audio: string, partCharacters: number, eventId: string | null): Generator<Command> {
    const format = audioFormatOf(config)
    for (let at = 0; at < audio.length; at += partCharacters) {
      const bytes = bytesOfBase64(audio.slice(at, at + partCharacters))
      if (!bytes) return yield* refuse(mistake("invalid_value", "audio must be base64", "audio"), eventId)
      started()
      reader ??= createAudioReader(format)
      heardMs += (bytes.length / bytesPerSecond(format)) * 1000
      yield* accept(reader.read(bytes))
    }
  }

  function commit(eventId: string | null): readonly Command[] {
    // Thirds of a millisecond do not add up to a whole one by themselves.
    const ms = Number(Math.max(0, heardMs - bufferMs).toFixed(2))
    if (ms < COMMIT_MS_MIN) {
      const message = `buffer too small: a commit needs at least ${COMMIT_MS_MIN}ms of audio, and the buffer holds ${ms}ms`
      return refuse(mistake("input_audio_buffer_commit_empty", message), eventId)
    }
    bufferMs = heardMs
    const item = started().commit()
    return [...endReader(), ...(item ? lines.committed(item, beta).map(say) : []), { type: "commit" }]
  }

  function clear(): readonly Command[] {
    bufferMs = heardMs
    reader?.close()
    reader = undefined
    // The stream is not to be opened for nothing: how it will hear may still change.
    if (!items) return [say(lines.line("input_audio_buffer.cleared"))]
    items.clear()
    return [{ type: "clear" }]
  }

  function write(event: SpeechEvent): readonly string[] {
    const place = started().of(event)
    if (event.type === "cleared") return [lines.line("input_audio_buffer.cleared")]
    if (!place) return []
    const { item, ended } = place
    const committed = place.committed ? lines.committed(item, beta) : []
    switch (event.type) {
      case "speech_start":
        item.startMs = event.atMs
        return [lines.line("input_audio_buffer.speech_started", { audio_start_ms: Math.round(event.atMs), item_id: item.id })]
      case "partial":
        return lines.delta(item, event.text.slice(0, event.stable))
      case "speech_end":
        bufferMs = Math.max(bufferMs, event.atMs)
        return [lines.line("input_audio_buffer.speech_stopped", { audio_end_ms: Math.round(event.atMs), item_id: item.id }), ...committed]
      case "final":
        return [...committed, ...lines.final(item, event), ...(ended ? lines.ended(item, event.endMs) : [])]
      case "failed":
        item.failure ??= event
        return ended ? [...committed, ...lines.ended(item, 0)] : []
    }
  }

  return {
    get stream() {
      return streamOptionsOf(config)
    },
    greet(told) {
      facts = told
      lines = createLines(told.session)
      return [sessionLine(beta ? "transcription_session.created" : "session.created")]
    },
    readBytes: () => refuse(mistake("invalid_event", "audio comes in input_audio_buffer.append, in base64"), null),
    readText(text) {
      const read = readMessage(text)
      return "error" in read ? refuse(read.error, read.eventId) : obey(read.message, read.eventId)
    },
    write,
    finished: () => [],
    fail: (fault, message) => [lines.line("error", { error: { type: "server_error", code: fault, message, param: null, event_id: null } })],
    close() {
      reader?.close()
      reader = undefined
    },
  }
}
