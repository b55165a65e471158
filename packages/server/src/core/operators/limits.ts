const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

export const limits = {
  nameCharsMax: 100,
  emailCharsMax: 254,
  /** NIST SP 800-63B §3.1.1.2 asks for 8 at least beside a second factor, 15 without one. */
  passwordCharsMin: 12,
  passwordCharsMax: 128,
  /** Argon2id as OWASP's Password Storage Cheat Sheet has it at least: 19 MiB, two passes, one lane. */
  passwordMemoryKib: 19_456,
  passwordPasses: 2,
  /** Passwords that are hashed at once, which bounds the memory, and those that wait. */
  hashesAtOnceMax: 4,
  hashesWaitingMax: 64,

  /** A session ends so long after its last renewal, */
  sessionMs: 7 * dayMs,
  /** is renewed when the dashboard is opened and it is older than this, */
  sessionRenewMs: dayMs,
  /** and ends so long after the login whatever happens. */
  sessionMsMax: 30 * dayMs,
  sessionsPerOperatorMax: 50,
  sessionsCachedMax: 5_000,
  userAgentCharsMax: 300,

  operatorsMax: 500,
  invitesOpenMax: 100,
  inviteMs: 7 * dayMs,
  /** Links to the first account: each start of a node without operators makes one. */
  setupLinksMax: 20,
  setupMs: dayMs,
  resetMs: 60 * minuteMs,
  linkTokenBytes: 32,
  linkTokenCharsMax: 64,

  /** RFC 6238 §5.2: a code is good in its own step and in the one before and after. */
  totpStepSeconds: 30,
  totpDigits: 6,
  totpSkewSteps: 1,
  /** Wrong codes in a row of one operator, on all nodes together, before the second factor is shut for a while. */
  totpFailuresMax: 10,
  totpShutSeconds: 15 * 60,
  recoveryCodesCount: 10,
  /** How long somebody may take for the second step of a login. */
  secondStepSeconds: 10 * 60,
  /** How long a device that was trusted at a login is not asked for its second factor. */
  trustedDeviceSeconds: 30 * 24 * 60 * 60,
  passkeysPerOperatorMax: 20,
  passkeyNameCharsMax: 100,

  /** Wrong passwords in a window, counted by each node: of one account from one network (IPv6: /64), */
  failuresPerAccountAndNetworkMax: 8,
  /** of one account from everywhere, */
  failuresPerAccountMax: 40,
  /** and of one network over all accounts. */
  failuresPerNetworkMax: 30,
  failuresWindowMs: 15 * minuteMs,

  /** How long the provider of single sign-on may take to say where things are, and the pause before it is asked again. */
  ssoConnectMs: 5_000,
  ssoRetryMs: 10_000,
  /**
   * How long ago the provider may have authenticated somebody for their login to be a fresh proof (`auth_time` of OpenID
   * Connect Core 1.0 §2): what comes after it there, such as consent, takes its time.
   */
  ssoAuthAgeMsMax: 2 * minuteMs,
  /** So far the provider's clock and ours may be apart. */
  ssoClockLeewayMs: 30_000,

  bodyBytesMax: 64 * 1024,
  textCharsMax: 1_000,
  recordsReadMax: 1_000,
} as const
