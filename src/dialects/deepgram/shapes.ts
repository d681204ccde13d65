/**
 * What Deepgram's clients read of us, field by field with its meaning. What is written is checked against it by the compiler, and
 * the description of the interface is made of it. Times are seconds.
 */
import { z } from "zod"

const seconds = z.number().min(0)
const start = seconds.describe("since the start of the recording or stream")
const end = seconds
const confidence = z.number().min(0).max(1).describe("0 if the engine does not say")
const request_id = z.string().describe("the id of this request, as in the header `dg-request-id`")
const transcript = z.string().describe('may be ""')

export const ListenWord = z
  .object({
    word: z.string().describe("lower case, without punctuation"),
    start,
    end,
    confidence,
    punctuated_word: z.string().describe("as it was written"),
  })
  .describe("a word and when it was said")

const words = z.array(ListenWord).describe("empty where the engine tells no words")

const ModelInfo = z.object({ name: z.string(), version: z.literal("unknown"), arch: z.string().describe("the provider") })

export const ListenMetadata = z.object({
  transaction_key: z.literal("deprecated"),
  request_id,
  sha256: z.string().describe("of all bytes, in hex"),
  created: z.string().describe("when it began, ISO 8601"),
  duration: seconds.describe("of the audio"),
  channels: z.int().min(1).describe("of the audio; of a recording, those that were heard one by one"),
  models: z.array(z.string()).describe("ids of the models; the same for the same model"),
  model_info: z.record(z.string(), ModelInfo).describe("each of them"),
})

const span = { start, end }
export const ListenParagraphs = z.object({
  transcript: z.string().describe("all paragraphs, an empty line between them"),
  paragraphs: z.array(
    z.object({
      sentences: z.array(z.object({ text: z.string(), ...span })),
      num_words: z.int().min(0),
      ...span,
    }),
  ),
})

export const ListenUtterance = z.object({
  ...span,
  confidence,
  channel: z.int().min(0),
  transcript,
  words,
  id: z.string(),
})

export const ListenAnswer = z
  .object({
    metadata: ListenMetadata,
    results: z.object({
      channels: z.array(
        z.object({
          detected_language: z.string().optional().describe("where it was to be detected"),
          alternatives: z
            .array(z.object({ transcript, confidence, words, paragraphs: ListenParagraphs.optional() }))
            .describe("always one"),
        }),
      ),
      utterances: z.array(ListenUtterance).optional().describe("with `utterances=true`, of all channels in order"),
    }),
  })
  .describe("the transcript of a recording")

export const ListenError = z.object({
  err_code: z.string().describe("such as `Bad Request` or `TOO_MANY_REQUESTS`"),
  err_msg: z.string().describe("one line for a developer"),
  request_id,
})

const channel = z.tuple([z.literal(0), z.literal(1)]).describe("the first of one: channels are mixed before they are heard")

export const Results = z
  .object({
    type: z.literal("Results"),
    channel_index: channel,
    duration: seconds,
    start: seconds.describe("since the start of the stream; the final Results tile it"),
    is_final: z.boolean().describe("false: the next Results of this stretch replace these"),
    speech_final: z.boolean().describe("an end of speech was heard (`endpointing`)"),
    from_finalize: z.boolean().describe("the answer to a Finalize"),
    channel: z.object({
      alternatives: z.array(z.object({ transcript, confidence, languages: z.array(z.string()).optional(), words })).describe("always one"),
    }),
    metadata: z.object({ request_id, model_info: ModelInfo, model_uuid: z.string() }),
  })
  .describe("words of the stream, interim or final")

export const SpeechStarted = z
  .object({ type: z.literal("SpeechStarted"), channel, timestamp: seconds.describe("where speech begins") })
  .describe("somebody speaks; with `vad_events=true`")

export const UtteranceEnd = z
  .object({ type: z.literal("UtteranceEnd"), channel, last_word_end: seconds })
  .describe("nobody spoke for `utterance_end_ms` after the last word")

export const Metadata = z.object({ type: z.literal("Metadata"), ...ListenMetadata.shape }).describe("the last message, after CloseStream")

export const LiveError = z
  .object({
    type: z.literal("Error"),
    variant: z.string().describe("what went wrong, as a code"),
    message: z.string().describe("one line for a developer"),
    description: z.string().describe("the same"),
  })
  .describe("words were lost, or the server closes")
