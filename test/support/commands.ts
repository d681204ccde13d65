import type { Command } from "../../src/dialects/dialect.ts"

/** What a dialect read of a message, to its end. */
export function allCommands(read: readonly Command[] | Iterator<Command>): readonly Command[] {
  if (!("next" in read)) return read
  const commands: Command[] = []
  for (let next = read.next(); !next.done; next = read.next()) commands.push(next.value)
  return commands
}

/** The samples in commands, and the types of the others. */
export function samplesIn(commands: readonly Command[]): (number | string)[] {
  return commands.flatMap((command): (number | string)[] => (command.type === "accept" ? [...command.samples] : [command.type]))
}
