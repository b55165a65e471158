export { createKeyStates, type KeyStates, readJwks, readSharedSecrets, signingKeyOf } from "./cache.ts"
export {
  nextStep,
  type RingFile,
  type RingState,
  type RingStateParts,
  type RingStep,
  RotationError,
  readRingState,
  rotateMasterKey,
  sealedSecrets,
} from "./reseal.ts"
export { joinDeployment, type KeptRing, keepRing, missingKeys } from "./ring.ts"
export { type NewKey, newKey, verificationKey } from "./rules.ts"
export {
  insertKey,
  insertSecret,
  requireSealable,
  type SealedPlace,
  type SecretRow,
  selectKey,
  selectKeysOfApp,
  selectSecrets,
} from "./store.ts"
