/**
 * What `listen` shows of the lines of mode `events`: interim words in place for a person, one line a final for everybody else, captions,
 * or the lines themselves. Knows no sound and nobody who hears it.
 */
import { z } from "zod"
import { createCaptionWriter } from "../../speech/captions.ts"
import { createPaint } from "../colours.ts"
import type { Program } from "../program.ts"
import { type Format, isCaptions } from "../transcript-formats.ts"
import { createLiveLine } from "./live-line.ts"

const eventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("partial"), text: z.string(), stable: z.number() }),
  z.object({ type: z.literal("final"), text: z.string(), start_ms: z.number(), end_ms: z.number() }),
  z.object({ type: z.literal("failed"), message: z.string() }),
  z.object({ type: z.literal("error"), message: z.string() }),
])

type Shown = z.infer<typeof eventSchema>
type Final = Extract<Shown, { type: "final" }>
type Partial = Extract<Shown, { type: "partial" }>

/** Shows one line of the wire. False if it tells that words were lost. */
export type Tell = (line: string) => boolean

interface Way {
  readonly head?: string
  readonly partial?: (event: Partial) => void
  readonly final: (event: Final) => void
  /** Before a line on stderr. */
  readonly clear?: () => void
}

export function createTell(format: Format, program: Program): Tell {
  const { write, writeError } = program
  const paint = createPaint(program.terminal, program.env)
  const { head, partial, final, clear } = wayOf(format, program)
  if (head) write(head)
  return (line) => {
    if (format === "json") write(line)
    const event = eventSchema.safeParse(JSON.parse(line)).data
    if (event?.type === "partial") partial?.(event)
    else if (event?.type === "final") final(event)
    else if (event) {
      clear?.()
      writeError(`${paint("red", "words were lost")}: ${event.message}`)
      return false
    }
    return true
  }
}

function wayOf(format: Format, { screen, env, write }: Program): Way {
  if (format === "json") return { final() {} }
  if (isCaptions(format)) {
    const { head, cue } = createCaptionWriter(format)
    return {
      // `write` ends each with a line end of its own.
      head: head.replace(/\n$/, ""),
      final({ text, start_ms: startMs, end_ms: endMs }) {
        const written = cue({ text, startMs, endMs })
        if (written !== "") write(written.replace(/\n$/, ""))
      },
    }
  }
  if (!screen) return { final: ({ text }) => text !== "" && write(text) }
  const live = createLiveLine(screen)
  const paint = createPaint(true, env)
  return {
    partial({ text, stable }) {
      const open = text.slice(stable)
      live.show(text.slice(0, stable) + (open === "" ? "" : paint("dim", open)))
    },
    final: ({ text }) => live.settle(text),
    clear: () => live.settle(""),
  }
}
