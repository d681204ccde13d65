/** Colours for people at a terminal, and none for pipes, files and those who set NO_COLOR. Knows no command. */
import { styleText } from "node:util"
import type { Environment } from "../settings.ts"

type Style = Parameters<typeof styleText>[0]

export type Paint = (style: Style, text: string) => string

/** `terminal`: whether a person reads there. NO_COLOR counts unless it is empty, see no-color.org. */
export function createPaint(terminal: boolean, { NO_COLOR, TERM }: Environment): Paint {
  const colours = terminal && !NO_COLOR && TERM !== "dumb"
  return (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text)
}
