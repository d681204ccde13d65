/**
 * Deepgram's answer to a recording: what was heard of each channel, its words, and where wished its utterances and paragraphs.
 * Pure. Where the engine tells no words, its segments stand for them.
 */
import type { z } from "zod"
import { type Heard, joinTexts, type Word } from "../../speech/transcript.ts"
import { metadataBody, rounded, seconds, type Told, wordBody } from "./bodies.ts"
import type { ListenAnswer, ListenParagraphs } from "./shapes.ts"
import type { RecordedWishes } from "./wishes.ts"

/** What parts two paragraphs: a pause, or their length. */
const PARAGRAPH_PAUSE_MS = 1500
const PARAGRAPH_SENTENCES_MAX = 5

const SENTENCE_END = /[.?!。？！…]["'”’)\]]*$/u

type Wishes = Pick<RecordedWishes, "language" | "paragraphs" | "utterances" | "splitSeconds">

export function answerBody(channels: readonly Heard[], wishes: Wishes, told: Told): z.output<typeof ListenAnswer> {
  return {
    metadata: metadataBody(told),
    results: {
      channels: channels.map((channel) => channelBody(channel, wishes)),
      ...(wishes.utterances && { utterances: utterancesOf(channels, wishes, told.requestId) }),
    },
  }
}

function channelBody(channel: Heard, { language, paragraphs }: Wishes) {
  const { text } = channel
  const alternative = {
    transcript: text,
    confidence: confidenceOf(piecesOf(channel)),
    words: channel.segments.flatMap(({ words }) => (words ?? []).map(wordBody)),
    ...(paragraphs && { paragraphs: paragraphsOf(piecesOf(channel)) }),
  }
  return { ...(language === "auto" && channel.language !== null && { detected_language: channel.language }), alternatives: [alternative] }
}

/** What can be grouped: a word, or a whole segment of an engine without words. */
interface Piece extends Word {
  readonly isWord: boolean
}

function piecesOf({ segments }: Heard): Piece[] {
  return segments.flatMap((segment): Piece[] => {
    if (segment.words) return segment.words.map((word) => ({ ...word, isWord: true }))
    const { startMs, endMs, avgLogprob } = segment
    const text = segment.text.trim()
    return text === "" ? [] : [{ text, startMs, endMs, confidence: avgLogprob === null ? null : Math.exp(avgLogprob), isWord: false }]
  })
}

/** Of those pieces whose engine says it. */
function confidenceOf(pieces: readonly Piece[]): number {
  const known = pieces.flatMap(({ confidence }) => (confidence === null ? [] : [confidence]))
  return known.length === 0 ? 0 : rounded(known.reduce((sum, one) => sum + one, 0) / known.length)
}

/** Of all channels, in the order in which they were said. */
function utterancesOf(channels: readonly Heard[], { splitSeconds }: Wishes, requestId: string) {
  const isPause = (before: Piece, after: Piece) => after.startMs - before.endMs >= splitSeconds * 1000
  return channels
    .flatMap((heard, channel) =>
      grouped(piecesOf(heard), isPause).map((pieces, index) => ({
        ...spanOf(pieces),
        confidence: confidenceOf(pieces),
        channel,
        transcript: textOf(pieces),
        words: pieces.filter(({ isWord }) => isWord).map(wordBody),
        id: Bun.randomUUIDv5(`${requestId}/${channel}/${index}`, "url"),
      })),
    )
    .sort((a, b) => a.start - b.start)
}

function paragraphsOf(pieces: readonly Piece[]): z.output<typeof ListenParagraphs> {
  const sentences = grouped(pieces, (before) => SENTENCE_END.test(before.text))
  let inParagraph = 0
  const paragraphs = grouped(sentences, (before, after) => {
    inParagraph++
    const parts = inParagraph === PARAGRAPH_SENTENCES_MAX || firstOf(after).startMs - lastOf(before).endMs >= PARAGRAPH_PAUSE_MS
    if (parts) inParagraph = 0
    return parts
  })
  const bodies = paragraphs.map((paragraph) => {
    const all = paragraph.flat()
    const told = paragraph.map((sentence) => ({ text: textOf(sentence), ...spanOf(sentence) }))
    return { sentences: told, num_words: all.reduce((sum, { text }) => sum + text.split(/\s+/).length, 0), ...spanOf(all) }
  })
  return { transcript: bodies.map(({ sentences }) => sentences.map(({ text }) => text).join(" ")).join("\n\n"), paragraphs: bodies }
}

/** The same in order, parted wherever `parts` says so of two neighbours. */
function grouped<Item>(items: readonly Item[], parts: (before: Item, after: Item) => boolean): Group<Item>[] {
  const groups: [Item, ...Item[]][] = []
  let before: Item | undefined
  for (const item of items) {
    const group = groups.at(-1)
    if (!group || before === undefined || parts(before, item)) groups.push([item])
    else group.push(item)
    before = item
  }
  return groups
}

type Group<Item> = readonly [Item, ...Item[]]

function firstOf(pieces: Group<Piece>): Piece {
  return pieces[0]
}

function lastOf(pieces: Group<Piece>): Piece {
  return pieces.at(-1) ?? pieces[0]
}

function spanOf(pieces: readonly Piece[]) {
  return { start: seconds(pieces[0]?.startMs ?? 0), end: seconds(pieces.at(-1)?.endMs ?? 0) }
}

function textOf(pieces: readonly Piece[]): string {
  return joinTexts(pieces.map(({ text }) => text))
}
