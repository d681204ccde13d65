/** Zod's schemas as JSON Schema, in the form that interface descriptions want. Knows no wire. */
import { z } from "zod"

export type JsonSchema = { readonly [key: string]: unknown }

type Target = "draft-2020-12" | "draft-7"

/** Where descriptions keep their schemas. */
const PLACE = "#/components/schemas/"

/**
 * Each schema under its name; where one holds another, it refers to it. `io`: what a client may write (`input`), or what it reads.
 * Fields beyond those that are told are not ruled out: a later version may have more.
 */
export function namedSchemas<Name extends string>(
  named: Readonly<Record<Name, z.ZodType>>,
  target: Target,
  io: "input" | "output" = "output",
): Record<Name, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries<z.ZodType>(named)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { target, io, uri: (id) => PLACE + id, override: ({ jsonSchema }) => tidy(jsonSchema) })
  const bare: Record<string, JsonSchema> = {}
  for (const [name, { $id: _, $schema: __, ...schema }] of Object.entries(schemas)) bare[name] = schema
  return bare as Record<Name, JsonSchema>
}

/** One that needs no name. */
export function plainSchema(schema: z.ZodType, target: Target): JsonSchema {
  const { $schema: _, ...plain } = z.toJSONSchema(schema, { target, override: ({ jsonSchema }) => tidy(jsonSchema) })
  return plain
}

/** The fields of a form or an address: typed by what they are read as, and required where nothing stands for them. */
export function fieldsSchema({ shape }: z.ZodObject, target: Target) {
  const names = Object.keys(shape)
  const properties = Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, plainSchema(field as z.ZodType, target)]))
  const required = names.filter((name) => !(shape[name] as z.ZodType).safeParse(undefined).success)
  return { type: "object", properties, ...(required.length > 0 && { required }) } as const
}

export function refTo(name: string): JsonSchema {
  return { $ref: PLACE + name }
}

function tidy(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.additionalProperties === false) delete schema.additionalProperties
  // What a number of JavaScript can hold at most says nothing.
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  // Of a file: it comes as it is.
  if (schema.contentEncoding === "binary") delete schema.contentEncoding
}
