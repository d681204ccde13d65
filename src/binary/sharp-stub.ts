/**
 * Stands in for `sharp` in the executable: transformers.js imports that image library always and needs it for pictures
 * only. Must be a function, or transformers.js refuses to start.
 */
// biome-ignore lint/style/noDefaultExport: transformers.js imports the default export
export default function sharp(): never {
  throw new Error("xrx-stt reads no pictures: the image library is not part of it")
}
