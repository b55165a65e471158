import { settings } from "@weir/server/config/env"
import { type Command, columns, noPositionals } from "../command.ts"

/** `weir serve`: runs the gate until a signal ends it. */
export const serve: Command = {
  name: "serve",
  usage: "",
  summary: "Start the gate.",
  options: {},
  notes: [
    "Settings come from the environment; `weir config` shows their values and what they mean:",
    ...columns(settings.map((setting) => [setting.name, setting.default ?? `(${setting.absent})`] as const)),
  ],
  async run(args, { env }) {
    noPositionals(args)
    // The server is large and no other command needs it.
    const { main } = await import("@weir/server/main")
    return main(env)
  },
}
