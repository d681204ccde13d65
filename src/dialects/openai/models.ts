/** The list of models, as OpenAI's clients ask for it. */
import type { z } from "zod"
import { type HttpCall, Refused } from "../door.ts"
import { modelNames } from "../model-names.ts"
import type { Model, ModelList } from "./messages.ts"

export function listModels({ rest, defaults }: Pick<HttpCall, "rest" | "defaults">): Response {
  const names = modelNames(defaults)
  // Nobody knows when a model that lies in somebody's folder was made.
  const bodyOf = (id: string): z.output<typeof Model> => ({ id, object: "model", created: 0, owned_by: defaults.provider })
  if (rest === "") return Response.json({ object: "list", data: names.map(bodyOf) } satisfies z.output<typeof ModelList>)
  if (!names.includes(rest)) throw noSuchModel()
  return Response.json(bodyOf(rest))
}

export function noSuchModel(): Refused {
  return new Refused({ reason: "not_found", status: 404, message: "there is no such model", field: "model", code: "model_not_found" })
}
