/** The flags of the suites that run by hand: numbers, words and nothing else. Knows no suite. */
import { parseArgs } from "node:util"

export type Flags = Readonly<Record<string, string>>

/** What was said, over these defaults; a flag that is not among them ends the program with the list of those that are. */
export function readFlags<Given extends Flags>(defaults: Given): Record<keyof Given, string> {
  try {
    const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: "string" as const }]))
    const { values } = parseArgs({ args: process.argv.slice(2), options })
    return { ...defaults, ...values } as Record<keyof Given, string>
  } catch (error) {
    const known = Object.entries(defaults).map(([name, value]) => `  --${name} (default: ${value})`)
    console.error([error instanceof Error ? error.message : error, "flags:", ...known].join("\n"))
    process.exit(2)
  }
}

/** Ends the program at what is no number of at least `least`. */
export function numberOf(name: string, text: string, least = 0): number {
  const value = Number(text)
  if (text.trim() !== "" && value >= least) return value
  console.error(`--${name}: expected a number of at least ${least}, got ${JSON.stringify(text)}`)
  process.exit(2)
}
