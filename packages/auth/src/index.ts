// Verification
export { createTokenVerifier } from "./token-verifier.js";
export type { Identity, TokenVerifier } from "./token-verifier.js";
export type { TokenAlgorithm, TokenVerifierOptions } from "./options.js";
export { TOKEN_SUBPROTOCOL_PREFIX } from "./request-token.js";
export type { TokenRequest, TokenSource } from "./request-token.js";

// Rights
export { ACTIONS, PATTERN_MAX_LENGTH, PATTERNS_MAX, Rights, WILDCARDS_MAX } from "./rights.js";
export type { Action, RightsClaim } from "./rights.js";

// Development
export { signDevelopmentToken } from "./development-token.js";
export type { DevelopmentToken } from "./development-token.js";
