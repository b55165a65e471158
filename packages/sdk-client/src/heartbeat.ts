// Both ends say `health.check` every 25 s. A socket on which nothing arrives for 35 s is dead, even though the
// platform may take minutes to notice.

import { limits } from "./limits.ts"
import type { TimerHandle, Timers } from "./timers.ts"

export interface HeartbeatOptions {
  timers: Timers
  beat(): void
  /** Called at most once. */
  onSilence(): void
}

export interface Heartbeat {
  /** Something arrived. */
  heard(): void
  stop(): void
}

export function createHeartbeat({ timers, beat, onSilence }: HeartbeatOptions): Heartbeat {
  let heardAtMs = timers.now()
  let beatTimer: TimerHandle = timers.setTimeout(nextBeat, limits.heartbeatIntervalMs)
  let silenceTimer: TimerHandle = timers.setTimeout(checkSilence, limits.silenceTimeoutMs)

  function nextBeat(): void {
    beatTimer = timers.setTimeout(nextBeat, limits.heartbeatIntervalMs)
    beat()
  }

  // One timer that looks back, instead of one that every frame would have to reset.
  function checkSilence(): void {
    const silentMs = timers.now() - heardAtMs
    if (silentMs < limits.silenceTimeoutMs) {
      silenceTimer = timers.setTimeout(checkSilence, limits.silenceTimeoutMs - silentMs)
      return
    }
    stop()
    onSilence()
  }

  function stop(): void {
    timers.clearTimeout(beatTimer)
    timers.clearTimeout(silenceTimer)
  }

  return {
    heard: () => {
      heardAtMs = timers.now()
    },
    stop,
  }
}
