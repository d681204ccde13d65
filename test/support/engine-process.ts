/** What `src/main.ts __engine` is in the program: nothing but an engine. */
import { runEngine } from "../../src/engines/whisper/child.ts"

await runEngine()
