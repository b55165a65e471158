// One question to every node and an answer from each: for what only the nodes themselves know, such as their sockets.

import { randomId } from "../base/ids.ts"
import type { Bus, BusTopic } from "./bus/bus.ts"

export interface Answers<Answer> {
  /** By node. */
  readonly answers: ReadonlyMap<string, Answer>
  /** Nodes that were expected and said nothing in time. */
  readonly missing: readonly string[]
}

export interface Ask<Question, Answer> {
  /** Asks; waits for the expected nodes, at most `timeoutMs`. This node answers itself. Never rejects. */
  ask(question: Question, expected: readonly string[], timeoutMs: number): Promise<Answers<Answer>>
  close(): void
}

type Message<Question, Answer> =
  | { readonly kind: "ask"; readonly ref: string; readonly question: Question }
  | { readonly kind: "answer"; readonly ref: string; readonly to: string; readonly answer: Answer }

/** Questions of one kind. `answer` must not throw; both values travel as JSON. */
export function createAsk<Question, Answer>(
  { bus, topic }: { bus: Bus; topic: BusTopic },
  answer: (question: Question) => Answer,
): Ask<Question, Answer> {
  const waiting = new Map<string, (node: string, answer: Answer) => void>()
  const send = (message: Message<Question, Answer>): void => bus.publish(topic, JSON.stringify(message))
  const stop = bus.subscribe(topic, (payload, fromNode) => {
    if (fromNode === bus.nodeId) return
    const message = JSON.parse(payload) as Message<Question, Answer>
    if (message.kind === "ask") {
      send({ kind: "answer", ref: message.ref, to: fromNode, answer: answer(message.question) })
    } else if (message.to === bus.nodeId) waiting.get(message.ref)?.(fromNode, message.answer)
  })

  return {
    ask(question, expected, timeoutMs) {
      const answers = new Map<string, Answer>([[bus.nodeId, answer(question)]])
      const isComplete = (): boolean => expected.every((node) => answers.has(node))
      if (!bus.shared || isComplete()) return Promise.resolve({ answers, missing: [] })
      return new Promise((resolve) => {
        const ref = randomId(12)
        const finish = (): void => {
          clearTimeout(timer)
          waiting.delete(ref)
          resolve({ answers, missing: expected.filter((node) => !answers.has(node)) })
        }
        const timer = setTimeout(finish, timeoutMs)
        waiting.set(ref, (node, value) => {
          answers.set(node, value)
          if (isComplete()) finish()
        })
        send({ kind: "ask", ref, question })
      })
    },
    close: stop,
  }
}
