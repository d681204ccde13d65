/** What this server says of itself to Home Assistant, which offers it for the languages that are named here. */

/** What Whisper knows, ISO 639. */
const LANGUAGES = (
  "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn sr az " +
  "sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as " +
  "tt haw ln ha ba jw su yue"
).split(" ")

const ABOUT = { attribution: { name: "xrx-stt", url: "" }, installed: true, version: null }

export function infoOf(model: string) {
  const languages = /\.en\b/.test(model) ? ["en"] : LANGUAGES
  const models = [{ ...ABOUT, name: model, description: model, languages }]
  return { asr: [{ ...ABOUT, name: "xrx-stt", description: "Speech to text", models }] }
}
