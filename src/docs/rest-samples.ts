/** Programs to copy for each request. */
import type { Sample } from "./documents.ts"
import { HTTP, samples } from "./samples.ts"

/** A recording in a form, and its words. */
function form(path: string): readonly Sample[] {
  return samples({
    curl: `curl ${HTTP}${path} -F model=whisper-1 -F file=@talk.wav`,
    js: `
import { openAsBlob } from "node:fs"

const form = new FormData()
form.set("model", "whisper-1")
form.set("file", await openAsBlob("talk.wav"), "talk.wav")
const answer = await fetch("${HTTP}${path}", { method: "POST", body: form })
if (!answer.ok) throw new Error(await answer.text())
console.log((await answer.json()).text)
`,
    python: `
import requests  # pip install requests

with open("talk.wav", "rb") as recording:
    answer = requests.post("${HTTP}${path}", data={"model": "whisper-1"}, files={"file": recording})
answer.raise_for_status()
print(answer.json()["text"])
`,
  })
}

/** Something to read. */
function get(path: string, show: { readonly js: string; readonly python: string }): readonly Sample[] {
  return samples({
    curl: `curl ${HTTP}${path}`,
    js: `
const answer = await fetch("${HTTP}${path}")
console.log(${show.js})
`,
    python: `
import requests  # pip install requests

answer = requests.get("${HTTP}${path}")
print(${show.python})
`,
  })
}

const TEXT = { js: "await answer.text()", python: "answer.text" }

export const REST_SAMPLES = {
  transcription: form("/v1/audio/transcriptions"),
  translation: form("/v1/audio/translations"),
  models: get("/v1/models", {
    js: "(await answer.json()).data.map(({ id }) => id)",
    python: '[model["id"] for model in answer.json()["data"]]',
  }),
  model: get("/v1/models/whisper-1", { js: "await answer.json()", python: "answer.json()" }),
  listen: samples({
    curl: `curl "${HTTP}/v1/listen?utterances=true" --data-binary @talk.wav -H "content-type: audio/wav"`,
    js: `
import { openAsBlob } from "node:fs"

const answer = await fetch("${HTTP}/v1/listen?utterances=true", { method: "POST", body: await openAsBlob("talk.wav") })
if (!answer.ok) throw new Error(await answer.text())
const { results } = await answer.json()
for (const { start, end, transcript } of results.utterances) console.log(start, end, transcript)
`,
    python: `
import requests  # pip install requests

with open("talk.wav", "rb") as recording:
    answer = requests.post("${HTTP}/v1/listen", params={"utterances": "true"}, data=recording)
answer.raise_for_status()
for utterance in answer.json()["results"]["utterances"]:
    print(utterance["start"], utterance["end"], utterance["transcript"])
`,
  }),
  alive: get("/healthz", TEXT),
  ready: get("/readyz", TEXT),
  metrics: get("/metrics", TEXT),
} as const
