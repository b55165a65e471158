// `weir receipt verify`: whether a receipt of a revocation is as the server signed it. Asks nobody.

import { readFileSync, statSync } from "node:fs"
import { type Receipt, type ReceiptKey, verifyReceipt as verify } from "@weir/sdk-server"
import { shown } from "../admin.ts"
import { type Command, CommandError, columns, exitCodes, onlyPositional } from "../command.ts"
import { cliLimits } from "../limits.ts"

export const verifyReceipt: Command = {
  name: "receipt verify",
  usage: "<file>",
  summary: "Say whether a receipt of a revocation is as the server signed it. Offline.",
  options: {
    keys: { type: "string", value: "<file>", doc: "Public keys, as /.well-known/weir-receipt-keys.json gives them." },
    json: { type: "boolean", doc: "Print JSON." },
  },
  notes: [
    "The file holds the receipt as JSON, or the whole answer that it came in. - reads standard input.",
    "Get the keys once, over a connection that you trust, and keep them: a receipt proves nothing under keys that came",
    "with it. Exit code 1 when the receipt is not as it was signed.",
  ],
  async run(args, context) {
    const path = onlyPositional(args, "<file>")
    const given = parse(path === "-" ? await context.readInput(cliLimits.inputBytesMax) : read(path))
    const receipt = (given.receipt ?? given) as Receipt
    const keysPath = args.text("keys")
    if (keysPath === null) throw new CommandError("--keys is missing: the public keys, noted before")
    const { keys } = parse(read(keysPath)) as { keys?: ReceiptKey[] }
    if (!Array.isArray(keys)) throw new CommandError(`${keysPath} holds no list of keys`)
    const isWhole = typeof receipt === "object" && receipt !== null && (await verify(receipt, keys))
    if (args.flag("json")) context.print(JSON.stringify({ valid: isWhole }))
    else if (!isWhole) context.print("not valid: it was changed, or another key signed it")
    else {
      const rows: [string, string][] = [
        ["receipt", shown(receipt.id)],
        ["ended", `${shown(receipt.level)} ${shown(receipt.target)}`.trimEnd()],
        ["holds from", shown(receipt.effective_at)],
        ["sockets closed", shown(receipt.sockets_closed)],
        ["signed by", shown(receipt.key_id)],
      ]
      context.print("valid")
      for (const line of columns(rows)) context.print(line)
    }
    return isWhole ? exitCodes.ok : exitCodes.failed
  },
}

function read(path: string): string {
  try {
    if (statSync(path).size > cliLimits.inputBytesMax) throw new CommandError(`${path} is too big for a receipt`)
    return readFileSync(path, "utf8")
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>
  } catch {
    // Answered below.
  }
  throw new CommandError("this is no JSON object")
}
