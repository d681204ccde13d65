/**
 * The models that this server lists: its own, and the names that clients have written into their code, which all mean that one.
 */
import { type Defaults, type HttpCall, Refused } from "../door.ts"

const ALIASES = [
  "whisper-1",
  "gpt-4o-transcribe",
  "gpt-4o-mini-transcribe",
  "whisper-large-v3",
  "whisper-large-v3-turbo",
  "distil-whisper-large-v3-en",
  "nova-2",
  "nova-3",
]

interface ModelBody {
  readonly id: string
  readonly object: "model"
  readonly created: number
  readonly owned_by: string
}

export function listModels({ rest, defaults }: Pick<HttpCall, "rest" | "defaults">): Response {
  const models = modelsOf(defaults)
  if (rest === "") return Response.json({ object: "list", data: models })
  const found = models.find(({ id }) => id === rest)
  if (found) return Response.json(found)
  throw new Refused({ reason: "not_found", status: 404, message: "there is no such model", field: "model", code: "model_not_found" })
}

function modelsOf({ model, provider }: Defaults): ModelBody[] {
  // Nobody knows when a model that lies in somebody's folder was made.
  return [...new Set([model, ...ALIASES])].map((id) => ({ id, object: "model", created: 0, owned_by: provider }))
}
