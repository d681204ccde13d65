/** What a served description says of messages, taken at its word: a field that it does not name is a fault. */
import { Ajv } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"

type Json = Readonly<Record<string, unknown>>

export interface Described {
  readonly document: Json
  /** Names of all schemas. */
  readonly names: readonly string[]
  /** What is wrong with a value; empty if it is as described. */
  faults(name: string, value: unknown): readonly string[]
}

export async function described(server: URL, path: "/openapi.json" | "/asyncapi.json"): Promise<Described> {
  const document = (await (await fetch(new URL(path, server))).json()) as Json
  const options = { strict: false, allErrors: true, validateFormats: false }
  const ajv = path === "/openapi.json" ? new Ajv2020(options) : new Ajv(options)
  ajv.addSchema(strict(document) as Json, "described")
  const { schemas } = document.components as { schemas: Json }
  return {
    document,
    names: Object.keys(schemas),
    faults(name, value) {
      const validate = ajv.getSchema(`described#/components/schemas/${name}`)
      if (!validate) throw new Error(`${path} has no ${name}`)
      return validate(value) === true
        ? []
        : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
    },
  }
}

/** The same with no room for fields beside those that are named. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict)
  if (typeof value !== "object" || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, strict(inside)]))
  return "properties" in copy && !("additionalProperties" in copy) ? { ...copy, additionalProperties: false } : copy
}
