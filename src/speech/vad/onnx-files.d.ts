/** A model imported `with { type: "file" }` is its path, on disk or inside the executable. */
declare module "*.onnx" {
  const path: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the path
  export default path
}
