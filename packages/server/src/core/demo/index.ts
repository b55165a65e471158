export { createDemo, type Demo, type DemoParts } from "./routes.ts"
