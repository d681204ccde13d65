/** A file imported `with { type: "text" }` is its text. */
declare module "*.service" {
  const text: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the text
  export default text
}
declare module "*.yaml" {
  const text: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the text
  export default text
}
declare module "*.cfg" {
  const text: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the text
  export default text
}
declare module "*.sh" {
  const text: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the text
  export default text
}
declare module "*.dockerfile" {
  const text: string
  // biome-ignore lint/style/noDefaultExport: the form in which Bun hands out the text
  export default text
}
