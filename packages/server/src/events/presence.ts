// Who is online, on any node. Each node keeps the users of its own sockets and a copy of every other node's list,
// so that the question costs two look-ups in memory. Lists stay equal by gossip on the bus topic `presence`: a node
// announces its first and last socket of a user, answers a newcomer with its whole list, and beats so that the
// others notice when it dies. Messages of one node arrive in order, so a list and the changes around it agree.

import type { Clock } from "../base/clock.ts"
import type { Bus } from "./bus/bus.ts"
import { limits } from "./limits.ts"

export interface Presence {
  /** A socket of this node was opened for the user. */
  connect(appId: number, userId: string): void
  /** A socket of this node is gone. One call for each connect(). */
  disconnect(appId: number, userId: string): void
  isOnline(appId: number, userId: string): boolean
  /** Users of the app that are online; each counts once, however many sockets and nodes they use. */
  onlineCount(appId: number): number
  /** What the timer does every limits.presenceBeatEveryMs: tells the others that this node lives, forgets dead ones. */
  beat(): void
  /** Says good-bye, so that the others need not wait for the silence. */
  close(): void
}

export interface PresenceParts {
  readonly bus: Bus
  readonly clock: Clock
  /** Runs on every node when a user came online (first socket anywhere) or went offline (last one). */
  readonly onChange: (appId: number, userId: string, online: boolean) => void
}

/** Users by app. */
type UserLists = Map<number, Set<string>>

/** What is known of another node. */
interface Node {
  /** Monotonic milliseconds. */
  heardAtMs: number
  users: UserLists
  /** A list that is arriving, and how many of its parts are here. */
  arriving: UserLists
  partsArrived: number
  /** False until its whole list has arrived: it was heard of in the middle of its life. */
  isKnown: boolean
}

type Message =
  /** This node is new here, or missed something: please send your lists. */
  | { t: "hello"; to?: string }
  | { t: "beat" | "bye" }
  | { t: "on" | "off"; app: number; user: string }
  /** A part of the sender's list, counted from 0. All parts are sent in one go, so no change comes in between. */
  | { t: "list"; part: number; last: boolean; users: [app: number, users: string[]][] }

export function createPresence({ bus, clock, onChange }: PresenceParts): Presence {
  /** Open sockets of this node by app and user. */
  const sockets = new Map<number, Map<string, number>>()
  /** Number of nodes on which a user is, by app and user. */
  const online = new Map<number, Map<string, number>>()
  const nodes = new Map<string, Node>()
  let lastBeatMs = clock.monotonic()
  let isClosed = false
  let answering: ReturnType<typeof setTimeout> | null = null
  let mustAsk = false

  // Counting comes first and telling afterwards, so that a listener that throws leaves true numbers behind.
  const change = (appId: number, userId: string, by: 1 | -1): void => {
    if (changesState(appId, userId, by)) onChange(appId, userId, by === 1)
  }
  const changesState = (appId: number, userId: string, by: 1 | -1): boolean =>
    count(online, appId, userId, by) === (by === 1 ? 1 : 0)
  const replaceUsers = (node: Node, users: UserLists): void => {
    const changes: [appId: number, userId: string, by: 1 | -1][] = []
    eachMissing(users, node.users, (appId, userId) => changes.push([appId, userId, 1]))
    eachMissing(node.users, users, (appId, userId) => changes.push([appId, userId, -1]))
    node.users = users
    const real = changes.filter(([appId, userId, by]) => changesState(appId, userId, by))
    for (const [appId, userId, by] of real) onChange(appId, userId, by === 1)
  }
  const forgetNode = (nodeId: string): void => {
    const node = nodes.get(nodeId)
    if (node === undefined) return
    nodes.delete(nodeId)
    replaceUsers(node, new Map())
  }

  const send = (message: Message): void => {
    if (bus.shared) bus.publish("presence", JSON.stringify(message))
  }
  const sendList = (): void => {
    let part: Map<number, string[]> = new Map()
    let partSize = 0
    let partsSent = 0
    const sendPart = (last: boolean): void => {
      send({ t: "list", part: partsSent, last, users: [...part] })
      part = new Map()
      partSize = 0
      partsSent += 1
    }
    for (const [appId, users] of sockets) {
      for (const userId of users.keys()) {
        if (partSize === limits.presenceUsersPerMessageMax) sendPart(false)
        const ofApp = part.get(appId)
        if (ofApp === undefined) part.set(appId, [userId])
        else ofApp.push(userId)
        partSize += 1
      }
    }
    sendPart(true)
  }
  // When a whole cluster starts or comes back, or much is lost in a row, many ask at once; one answer serves them all.
  const answerSoon = (): void => {
    answering ??= setTimeout(() => {
      answering = null
      if (mustAsk) send({ t: "hello" })
      mustAsk = false
      sendList()
    }, limits.presenceAnswerDelayMs)
    answering.unref?.()
  }

  const nodeOf = (nodeId: string, message: Message): Node | null => {
    const known = nodes.get(nodeId)
    if (known !== undefined) return known
    if (nodes.size >= limits.presenceNodesMax) return null
    // Its hello or the beginning of its list says everything about a node; any other word comes from the middle.
    const isKnown = message.t === "hello" && message.to === undefined
    const node: Node = { heardAtMs: 0, users: new Map(), arriving: new Map(), partsArrived: 0, isKnown }
    nodes.set(nodeId, node)
    if (!isKnown && message.t !== "list") send({ t: "hello", to: nodeId })
    return node
  }

  const hear = (nodeId: string, message: Message): void => {
    if (message.t === "bye") {
      forgetNode(nodeId)
      return
    }
    const node = nodeOf(nodeId, message)
    if (node === null) return
    node.heardAtMs = clock.monotonic()
    switch (message.t) {
      case "hello":
        if (message.to === undefined || message.to === bus.nodeId) answerSoon()
        return
      case "on":
      case "off":
        if (setMember(node.users, message.app, message.user, message.t === "on")) {
          change(message.app, message.user, message.t === "on" ? 1 : -1)
        }
        return
      case "list":
        if (message.part === 0) {
          node.arriving = new Map()
          node.partsArrived = 0
        }
        // A list with a hole would send users offline; the gap in the bus has a whole one sent.
        if (message.part !== node.partsArrived) return
        node.partsArrived += 1
        for (const [appId, users] of message.users) {
          for (const userId of users) setMember(node.arriving, appId, userId, true)
        }
        if (!message.last) return
        replaceUsers(node, node.arriving)
        node.arriving = new Map()
        node.isKnown = true
    }
  }

  const stopHearing = bus.subscribe("presence", (payload, fromNode) => {
    if (fromNode !== bus.nodeId) hear(fromNode, JSON.parse(payload) as Message)
  })
  // Both directions may have lost something.
  bus.onGap(() => {
    if (isClosed) return
    mustAsk = true
    answerSoon()
  })

  const beat = (): void => {
    const now = clock.monotonic()
    // A node that was deaf cannot tell who else was silent: while the bus is away, and after this process stood
    // still, everyone gets a new chance. Otherwise a hiccup would send all users offline and back again.
    const wasDeaf = !bus.connected || now - lastBeatMs > 2 * limits.presenceBeatEveryMs
    lastBeatMs = now
    for (const [nodeId, node] of nodes) {
      if (wasDeaf) node.heardAtMs = now
      else if (now - node.heardAtMs >= limits.presenceSilenceMs) forgetNode(nodeId)
      else if (!node.isKnown) send({ t: "hello", to: nodeId })
    }
    send({ t: "beat" })
  }
  const beating = bus.shared ? setInterval(beat, limits.presenceBeatEveryMs) : null
  beating?.unref?.()
  send({ t: "hello" })

  return {
    connect(appId, userId) {
      if (count(sockets, appId, userId, 1) > 1) return
      send({ t: "on", app: appId, user: userId })
      change(appId, userId, 1)
    },
    disconnect(appId, userId) {
      if (sockets.get(appId)?.get(userId) === undefined) return
      if (count(sockets, appId, userId, -1) > 0) return
      send({ t: "off", app: appId, user: userId })
      change(appId, userId, -1)
    },
    isOnline: (appId, userId) => online.get(appId)?.has(userId) === true,
    onlineCount: (appId) => online.get(appId)?.size ?? 0,
    beat,
    close() {
      isClosed = true
      if (beating !== null) clearInterval(beating)
      if (answering !== null) clearTimeout(answering)
      stopHearing()
      send({ t: "bye" })
    },
  }
}

/** Adds to a counter and answers its new value. Counters at zero, and apps without any, take no room. */
function count(counters: Map<number, Map<string, number>>, appId: number, userId: string, by: 1 | -1): number {
  const ofApp = counters.get(appId) ?? new Map<string, number>()
  const value = (ofApp.get(userId) ?? 0) + by
  if (value > 0) {
    ofApp.set(userId, value)
    counters.set(appId, ofApp)
  } else {
    ofApp.delete(userId)
    if (ofApp.size === 0) counters.delete(appId)
  }
  return value
}

/** Puts a user into the lists or takes them out; answers whether that changed anything. */
function setMember(lists: UserLists, appId: number, userId: string, isMember: boolean): boolean {
  const ofApp = lists.get(appId) ?? new Set<string>()
  if (ofApp.has(userId) === isMember) return false
  if (isMember) {
    ofApp.add(userId)
    lists.set(appId, ofApp)
  } else {
    ofApp.delete(userId)
    if (ofApp.size === 0) lists.delete(appId)
  }
  return true
}

/** Visits everyone who is in `lists` and not in `others`. */
function eachMissing(lists: UserLists, others: UserLists, visit: (appId: number, userId: string) => void): void {
  for (const [appId, users] of lists) {
    const ofOther = others.get(appId)
    for (const userId of users) if (ofOther?.has(userId) !== true) visit(appId, userId)
  }
}
