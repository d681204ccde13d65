/** Programs to copy for each socket. */
import { samples, WS } from "./samples.ts"

/** The beginning of each program that speaks to a socket. */
const JS_RECORDING = `
import { readFile } from "node:fs/promises"

const speech = (await readFile("talk.wav")).subarray(44) // behind the header of the file lies the speech
`
const PYTHON_RECORDING = `
with wave.open("talk.wav") as recording:
    speech = recording.readframes(recording.getnframes())
`
const PYTHON_CONNECT = "from websockets.sync.client import connect  # pip install websockets"

export const SOCKET_SAMPLES = {
  utterance: samples({
    js: `${JS_RECORDING}
const stt = new WebSocket("${WS}/api/v1/ws?mode=utterance")
stt.onopen = () => stt.send(speech)
stt.onmessage = ({ data }) => {
  console.log(data)
  stt.close()
}
`,
    python: `
import wave

${PYTHON_CONNECT}
${PYTHON_RECORDING}
with connect("${WS}/api/v1/ws?mode=utterance") as stt:
    stt.send(speech)
    print(stt.recv())
`,
  }),
  frames: samples({
    js: `${JS_RECORDING}
const stt = new WebSocket("${WS}/api/v1/ws?mode=frames")
stt.onopen = () => {
  for (let at = 0; at < speech.length; at += 3200) stt.send(speech.subarray(at, at + 3200)) // 100 ms
  stt.send(new Uint8Array(32_000)) // and a second of silence, which ends the utterance
}
stt.onmessage = ({ data }) => {
  console.log(data)
  stt.close()
}
`,
    python: `
import wave

${PYTHON_CONNECT}
${PYTHON_RECORDING}
with connect("${WS}/api/v1/ws?mode=frames") as stt:
    for at in range(0, len(speech), 3200):  # 100 ms
        stt.send(speech[at : at + 3200])
    stt.send(bytes(32000))  # and a second of silence, which ends the utterance
    print(stt.recv())
`,
  }),
  events: samples({
    js: `${JS_RECORDING}
const stt = new WebSocket("${WS}/api/v1/ws?mode=events&interim=1")
stt.onopen = () => {
  for (let at = 0; at < speech.length; at += 3200) stt.send(speech.subarray(at, at + 3200)) // 100 ms
  stt.send(JSON.stringify({ type: "close" }))
}
stt.onmessage = ({ data }) => {
  const event = JSON.parse(data)
  if (event.type === "partial") console.log("…", event.text)
  if (event.type === "final") console.log(event.start_ms, event.end_ms, event.text)
}
`,
    python: `
import json
import wave

${PYTHON_CONNECT}
${PYTHON_RECORDING}
with connect("${WS}/api/v1/ws?mode=events&interim=1") as stt:
    for at in range(0, len(speech), 3200):  # 100 ms
        stt.send(speech[at : at + 3200])
    stt.send(json.dumps({"type": "close"}))
    for event in map(json.loads, stt):
        if event["type"] == "final":
            print(event["start_ms"], event["end_ms"], event["text"])
`,
  }),
  listen: samples({
    js: `
import { readFile } from "node:fs/promises"

const recording = await readFile("talk.wav") // with its header, so that no encoding need be named
const deepgram = new WebSocket("${WS}/v1/listen?interim_results=true")
deepgram.onopen = () => {
  deepgram.send(recording)
  deepgram.send(JSON.stringify({ type: "CloseStream" }))
}
deepgram.onmessage = ({ data }) => {
  const message = JSON.parse(data)
  if (message.type === "Results" && message.is_final) console.log(message.channel.alternatives[0].transcript)
}
`,
    python: `
import json

${PYTHON_CONNECT}

with connect("${WS}/v1/listen?interim_results=true") as deepgram:
    with open("talk.wav", "rb") as recording:  # with its header, so that no encoding need be named
        deepgram.send(recording.read())
    deepgram.send(json.dumps({"type": "CloseStream"}))
    for message in map(json.loads, deepgram):
        if message["type"] == "Results" and message["is_final"]:
            print(message["channel"]["alternatives"][0]["transcript"])
`,
  }),
  realtime: samples({
    js: `${JS_RECORDING}
const realtime = new WebSocket("${WS}/v1/realtime?intent=transcription")
const send = (event) => realtime.send(JSON.stringify(event))
realtime.onopen = () => {
  const input = { format: { type: "audio/pcm", rate: 16_000 }, turn_detection: null } // no utterance ends but by a commit
  send({ type: "session.update", session: { type: "transcription", audio: { input } } })
  send({ type: "input_audio_buffer.append", audio: speech.toString("base64") })
  send({ type: "input_audio_buffer.commit" })
}
realtime.onmessage = ({ data }) => {
  const event = JSON.parse(data)
  if (event.type === "error") console.error(event.error.message)
  if (event.type !== "conversation.item.input_audio_transcription.completed") return
  console.log(event.transcript)
  realtime.close()
}
`,
    python: `
import base64
import json
import wave

${PYTHON_CONNECT}
${PYTHON_RECORDING}
audio_input = {"format": {"type": "audio/pcm", "rate": 16000}, "turn_detection": None}  # no utterance ends but by a commit
with connect("${WS}/v1/realtime?intent=transcription", max_size=None) as realtime:
    for event in (
        {"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio_input}}},
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(speech).decode()},
        {"type": "input_audio_buffer.commit"},
    ):
        realtime.send(json.dumps(event))
    for event in map(json.loads, realtime):
        if event["type"] == "conversation.item.input_audio_transcription.completed":
            print(event["transcript"])
            break
`,
  }),
  vosk: samples({
    js: `${JS_RECORDING}
const vosk = new WebSocket("${WS}/vosk")
vosk.onopen = () => {
  vosk.send(JSON.stringify({ config: { sample_rate: 16_000 } }))
  for (let at = 0; at < speech.length; at += 8000) vosk.send(speech.subarray(at, at + 8000))
  vosk.send(JSON.stringify({ eof: 1 }))
}
vosk.onmessage = ({ data }) => {
  const { text } = JSON.parse(data)
  if (text) console.log(text)
}
`,
    python: `
import json
import wave

${PYTHON_CONNECT}
${PYTHON_RECORDING}
with connect("${WS}/vosk") as vosk:
    vosk.send(json.dumps({"config": {"sample_rate": 16000}}))
    for at in range(0, len(speech), 8000):
        vosk.send(speech[at : at + 8000])
        print(json.loads(vosk.recv()).get("text", "…"))
    vosk.send(json.dumps({"eof": 1}))
    print(json.loads(vosk.recv())["text"])
`,
  }),
} as const
