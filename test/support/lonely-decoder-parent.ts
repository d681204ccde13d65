/** Starts a decoding process, stops it where it is, as one that never comes back from native code, prints its pid and waits to be killed. */
import { DECODE_COMMAND } from "./decoding.ts"

const decoder = Bun.spawn([...DECODE_COMMAND], { env: { PATH: process.env.PATH }, stdio: ["pipe", "pipe", "inherit"] })
// It is ready.
await decoder.stdout.getReader().read()
decoder.kill("SIGSTOP")
console.log(decoder.pid)
