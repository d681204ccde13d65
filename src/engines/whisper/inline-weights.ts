/**
 * An ONNX model in memory whose weights lie in a file of their own, made one that holds them itself: of weights beside the model
 * ONNX Runtime takes those within a Loop from a disk only. Reads as much of protobuf as that needs; knows no Whisper.
 */

/** Fields of ONNX's messages, all of them messages or bytes. */
const MODEL_GRAPH = 7
const GRAPH_NODE = 1
const GRAPH_INITIALIZER = 5
const NODE_ATTRIBUTE = 5
const ATTRIBUTE_GRAPH = 6
const TENSOR_RAW_DATA = 9
const TENSOR_EXTERNAL_DATA = 13
const TENSOR_DATA_LOCATION = 14
const ENTRY_KEY = 1
const ENTRY_VALUE = 2

const VARINT = 0
const BYTES = 2
/** Lengths of the wire types that are neither. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 }

interface Field {
  readonly number: number
  /** Without its tag and length; empty of a number. */
  readonly payload: Uint8Array
  /** With them. */
  readonly whole: Uint8Array
}

type Chunks = readonly Uint8Array[]

/** Throws a RangeError if the model is cut off, or if its weights lie beyond `data`. */
export function inlineWeights(model: Uint8Array, data: Uint8Array): Uint8Array {
  const tensor = (message: Uint8Array) => inlined(message, data)
  const attribute = (message: Uint8Array): Chunks => rewritten(message, { [ATTRIBUTE_GRAPH]: graph })
  const node = (message: Uint8Array): Chunks => rewritten(message, { [NODE_ATTRIBUTE]: attribute })
  const graph = (message: Uint8Array): Chunks => rewritten(message, { [GRAPH_NODE]: node, [GRAPH_INITIALIZER]: tensor })
  return Buffer.concat(rewritten(model, { [MODEL_GRAPH]: graph }))
}

function rewritten(message: Uint8Array, rewrites: Readonly<Record<number, (message: Uint8Array) => Chunks>>): Chunks {
  return fieldsOf(message).flatMap(({ number, payload, whole }) => {
    const rewrite = rewrites[number]
    return rewrite ? field(number, rewrite(payload)) : [whole]
  })
}

function inlined(tensor: Uint8Array, data: Uint8Array): Chunks {
  const fields = fieldsOf(tensor)
  const told = new Map(fields.filter(({ number }) => number === TENSOR_EXTERNAL_DATA).map(({ payload }) => entryOf(payload)))
  if (told.size === 0) return [tensor]
  const [from, length] = [Number(told.get("offset") ?? 0), Number(told.get("length") ?? data.length)]
  if (!(from + length <= data.length)) throw new RangeError("a model's weights lie beyond the end of their file")
  const kept = fields.filter(({ number }) => number !== TENSOR_EXTERNAL_DATA && number !== TENSOR_DATA_LOCATION)
  return [...kept.map(({ whole }) => whole), ...field(TENSOR_RAW_DATA, [data.subarray(from, from + length)])]
}

function entryOf(message: Uint8Array): [string, string] {
  const text = (wanted: number) => new TextDecoder().decode(fieldsOf(message).find(({ number }) => number === wanted)?.payload)
  return [text(ENTRY_KEY), text(ENTRY_VALUE)]
}

function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]
      if (byte === undefined) throw new RangeError("a model ends in the middle")
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const start = at
    const tag = varint()
    const type = tag % 8
    let length = 0
    if (type === VARINT) varint()
    else length = type === BYTES ? varint() : (FIXED[type] ?? Number.POSITIVE_INFINITY)
    const from = at
    at += length
    if (at > message.length) throw new RangeError("a model ends in the middle")
    fields.push({ number: Math.floor(tag / 8), payload: message.subarray(from, at), whole: message.subarray(start, at) })
  }
  return fields
}

function field(number: number, chunks: Chunks): Chunks {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return [Uint8Array.from([...varintOf(number * 8 + BYTES), ...varintOf(length)]), ...chunks]
}

function varintOf(value: number): number[] {
  const low = value % 128
  return value < 128 ? [value] : [low + 128, ...varintOf((value - low) / 128)]
}
