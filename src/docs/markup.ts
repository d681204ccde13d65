/** Pieces of HTML, safe whatever text goes into them; and a JSON Schema as a list of its fields. Knows no wire. */
import type { JsonSchema } from "./json-schema.ts"

/** HTML that may be put into a page as it is. */
export interface Html {
  readonly html: string
}

/** Text inside is escaped, HTML is not. */
export function html(texts: TemplateStringsArray, ...inside: readonly (string | Html | readonly Html[])[]): Html {
  return { html: texts.map((text, index) => text + shown(inside[index] ?? "")).join("") }
}

export const NOTHING = html``

function shown(value: string | Html | readonly Html[]): string {
  if (typeof value === "string") return escaped(value)
  return "html" in value ? value.html : value.map((piece) => piece.html).join("")
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")
}

/** A description: what stands between backticks is code. */
export function prose(text: string): Html[] {
  return text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))
}

/** How one writes about another schema: by a link to it. */
export type Link = (name: string) => Html

/** The fields of an object, each with its type and meaning. Nothing if it has none. */
export function fieldList(schema: JsonSchema, link: Link): Html {
  const properties = Object.entries(record(schema.properties))
  if (properties.length === 0) return NOTHING
  const required = list(schema.required)
  const rows = properties.map(([name, field]) => fieldRow(name, record(field), required.includes(name), link))
  return html`<dl class="fields-list">${rows}</dl>`
}

function fieldRow(name: string, field: JsonSchema, required: boolean, link: Link): Html {
  const { description, default: fallback } = field
  const meaning = typeof description === "string" ? html`<p>${prose(description)}</p>` : NOTHING
  const note = required ? NOTHING : html` <span class="note">· ${unless(fallback)}</span>`
  return html`<div><dt><code>${name}</code> <span class="type">${typeOf(field, link)}</span>${note}</dt><dd>${meaning}${inner(field, link)}</dd></div>`
}

/** What stands for a field that is not there. */
function unless(fallback: unknown): Html {
  return fallback === undefined || isEmpty(fallback) ? html`optional` : html`default <code>${JSON.stringify(fallback)}</code>`
}

function isEmpty(value: unknown): boolean {
  return value === "" || (Array.isArray(value) && value.length === 0)
}

/** What stands inside without a name of its own. */
function inner(schema: JsonSchema, link: Link): Html {
  return html`${[schema, record(schema.items), ...choicesOf(schema)].map((one) => fieldList(one, link))}`
}

function choicesOf({ anyOf, oneOf, allOf }: JsonSchema): readonly JsonSchema[] {
  return list(anyOf ?? oneOf ?? allOf).map(record)
}

/** In words that a person reads: `text`, `list of Word`, `"a" or "b"`. */
export function typeOf(schema: JsonSchema, link: Link): Html {
  const { $ref, const: only, enum: values, type, items, format } = schema
  if (typeof $ref === "string") return link($ref.slice($ref.lastIndexOf("/") + 1))
  const choices = choicesOf(schema)
  if (choices.length > 0) return joined(choices.map((choice) => typeOf(choice, link)))
  if (only !== undefined) return html`<code>${JSON.stringify(only)}</code>`
  if (values !== undefined) return joined(list(values).map((value) => html`<code>${JSON.stringify(value)}</code>`))
  if (Array.isArray(type)) return joined(type.map((one) => typeOf({ ...schema, type: one }, link)))
  if (type === "array") return Array.isArray(items) || items === undefined ? html`list` : html`list of ${typeOf(record(items), link)}`
  if (format === "binary") return html`bytes`
  return html`${TYPES[String(type)] ?? "anything"}${range(schema)}`
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  object: "object",
  null: "null",
}

function range({ minimum, maximum, type }: JsonSchema): string {
  if (type !== "integer" && type !== "number") return ""
  return typeof minimum === "number" && typeof maximum === "number" ? ` from ${minimum} to ${maximum}` : ""
}

function joined(pieces: readonly Html[]): Html {
  return html`${pieces.flatMap((piece, index) => (index === 0 ? [piece] : [html` or `, piece]))}`
}

function record(value: unknown): JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonSchema) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
