// A small typed event emitter. `*` hears everything.

/** Anything with a `type`: an event of the server, or one that the client makes itself (`connection.*`). */
export interface AnyEvent {
  type: string
}

export type Listener<E> = (event: E) => void

/** The event that a listener for `Type` receives: the typed one where the name is known, any otherwise. */
export type EventOf<Events extends { type: string }, Type extends string> = Type extends "*"
  ? Events
  : Type extends Events["type"]
    ? Extract<Events, { type: Type }>
    : AnyEvent & Record<string, unknown>

export interface Emitter<Events extends AnyEvent> {
  /** Calls `listener` for each event of the type; returns a function that ends it. */
  on<Type extends Events["type"] | "*" | (string & {})>(
    type: Type,
    listener: Listener<EventOf<Events, Type>>,
  ): () => void
  off<Type extends string>(type: Type, listener: Listener<EventOf<Events, Type>>): void
  /** One listener that throws does not keep the others from hearing; its error is logged. */
  emit(event: AnyEvent): void
}

export function createEmitter<Events extends AnyEvent>(): Emitter<Events> {
  const listenersByType = new Map<string, Set<Listener<never>>>()

  const off: Emitter<Events>["off"] = (type, listener) => {
    const listeners = listenersByType.get(type)
    listeners?.delete(listener as Listener<never>)
    if (listeners?.size === 0) listenersByType.delete(type)
  }

  return {
    on(type, listener) {
      let listeners = listenersByType.get(type)
      if (listeners === undefined) {
        listeners = new Set()
        listenersByType.set(type, listeners)
      }
      listeners.add(listener as Listener<never>)
      return () => off(type, listener as never)
    },

    off,

    emit(event) {
      // A copy, because a listener may add or remove listeners while it runs.
      const heard = [...(listenersByType.get(event.type) ?? []), ...(listenersByType.get("*") ?? [])]
      for (const listener of heard) hear(listener as Listener<AnyEvent>, event)
    },
  }
}

/** Gives an event to one listener; what that throws is logged. */
export function hear<E extends AnyEvent>(listener: Listener<E>, event: E): void {
  try {
    listener(event)
  } catch (error) {
    console.error(`weir: a listener for ${event.type} threw`, error)
  }
}
