import { CmError, type ErrorCode, isCmError, parseName } from "@cm/protocol";
import { isThenable } from "@cm/protocol/options";
import { KeyedCounter } from "../counters/keyed-counter.js";
import { type HttpReply, jsonRefusal, refusalOf } from "../http/http-reply.js";
import { objectionTo, type RequestFacts, type RequestHead } from "../http/request-head.js";
import type { ResolvedTransportOptions } from "../options/resolved-options.js";
import type { AddressLimits } from "./address-limits.js";
import type { Authentication, UpgradeRequest } from "./authentication.js";

/** The response to an upgrade request. Exactly one of the methods is called, unless the client disconnects first. */
export interface UpgradeResponder<U> {
  /** Sends this response and closes the TCP connection. */
  refuse(reply: HttpReply): void;
  /** Turns the request into a WebSocket. */
  accept(connectionId: string, authentication: Authentication<U>, request: UpgradeRequest): void;
}

/** An upgrade that waits for `authenticate`. */
export interface PendingUpgrade {
  /** Must be called if the client disconnects: the request can no longer be responded to. */
  abandon(): void;
}

/**
 * Share of the places for waiting upgrades that one address may take, so that clients of other addresses are let in
 * while the authentication of its upgrades hangs.
 */
const ADDRESS_SHARE = 1 / 4;

// Created once, because recording the call stack of an error takes longer than all else that a refusal costs.
const TOO_MANY_PENDING = new CmError("unavailable", "Too many upgrades are waiting for authentication.");

interface Waiting<U> {
  readonly responder: UpgradeResponder<U>;
  readonly request: UpgradeRequest;
  readonly controller: AbortController;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Handles upgrade requests: validates them, has them authenticated within a deadline, and lets the transport
 * accept or refuse them.
 *
 * An upgrade whose `authenticate` returned a promise is completed in a later turn of the event loop, together
 * with others that are ready: the promise may settle while the library reads another request, and the library
 * must not complete an upgrade at that time.
 */
export class UpgradeAdmission<U> {
  readonly #options: ResolvedTransportOptions<U>;
  readonly #connections: ReadonlyMap<string, unknown>;
  readonly #addresses: AddressLimits;
  readonly #waiting = new Set<Waiting<U>>();
  /** Number of waiting upgrades by the key of their address; without the addresses that are not limited. */
  readonly #waitingByKey = new Map<string, number>();
  readonly #refused = new KeyedCounter<string>();
  /** Upgrades that have been authenticated and wait for the next turn. */
  #ready: { readonly upgrade: Waiting<U>; readonly authentication: Authentication<U> }[] = [];
  #accepting = true;
  #tooManyPending = 0;

  /** `connections` are the open connections by id. */
  constructor(
    options: ResolvedTransportOptions<U>,
    connections: ReadonlyMap<string, unknown>,
    addresses: AddressLimits,
  ) {
    this.#options = options;
    this.#addresses = addresses;
    this.#connections = connections;
  }

  /** Number of upgrades that wait for `authenticate`. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Number of refusals so far, by code. */
  refused(): Readonly<Record<string, number>> {
    return this.#refused.counts();
  }

  /** Number of upgrades that were refused because too many others waited, as `pending-upgrades`; empty if none. */
  limits(): Readonly<Record<string, number>> {
    return this.#tooManyPending === 0 ? {} : { "pending-upgrades": this.#tooManyPending };
  }

  /** Refuses all further upgrades. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  /** Refuses the upgrades that still wait for `authenticate`. */
  refusePending(): void {
    for (const upgrade of [...this.#waiting]) this.#fail(upgrade, new CmError("closed", "The server is closing."));
  }

  /** Counts and returns the refusal of a request at the WebSocket path that is no upgrade, or an incomplete one. */
  plainRefusal({ facts: { headers } }: RequestHead): HttpReply {
    this.#refused.add("operation-unknown");
    const wantsUpgrade = headers.upgrade !== undefined && (headers["sec-websocket-key"] ?? "") !== "";
    if (wantsUpgrade && !asksForUpgrade(headers)) return NO_UPGRADE;
    const wanted = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" };
    return jsonRefusal(426, "operation-unknown", "Only WebSockets are served here.", wanted);
  }

  /**
   * Handles an upgrade request. Calls one method of the responder, before `handle` returns or later, unless
   * `abandon` is called first.
   */
  handle(head: RequestHead, responder: UpgradeResponder<U>): PendingUpgrade {
    const { facts } = head;
    const offered = list(facts.headers["sec-websocket-protocol"]);
    const subprotocol = this.#options.subprotocols.find((name) => offered.includes(name));
    const fault = objectionTo(head, this.#options.maxHeadBytes);
    if (fault === undefined && facts.headers.upgrade === undefined) {
      responder.refuse(this.plainRefusal(head));
      return { abandon: () => undefined };
    }
    const refusal = fault ?? this.#objection(facts, subprotocol);
    if (refusal !== undefined || subprotocol === undefined) {
      this.#refuse(responder, refusal ?? new CmError("internal", "There is no subprotocol."));
      return { abandon: () => undefined };
    }
    const upgrade: Waiting<U> = {
      responder,
      request: { ...facts, subprotocol, offeredSubprotocols: offered },
      controller: new AbortController(),
      timer: undefined,
    };
    this.#waiting.add(upgrade);
    this.#countWaiting(facts.remoteAddress, 1);
    this.#addresses.enter(facts.remoteAddress);
    this.#authenticate(upgrade);
    return { abandon: () => this.#abandon(upgrade) };
  }

  #objection(facts: RequestFacts, subprotocol: string | undefined): CmError | HttpReply | undefined {
    const { allowedOrigins, subprotocols, maxPendingUpgrades } = this.#options;
    const { headers } = facts;
    if (!list(headers.upgrade).some((name) => name.toLowerCase() === "websocket")) {
      return jsonRefusal(400, "operation-unknown", "The Upgrade header does not ask for a WebSocket.");
    }
    if (!asksForUpgrade(headers)) return NO_UPGRADE;
    if (headers["sec-websocket-version"] !== "13") {
      const message = "Only version 13 of the WebSocket protocol is spoken.";
      return jsonRefusal(426, "version-unsupported", message, { "Sec-WebSocket-Version": "13" });
    }
    if (!this.#accepting) return new CmError("unavailable", "The server accepts no new connections.");
    const tooMany = this.#addresses.objectionTo(facts.remoteAddress);
    if (tooMany !== undefined) return tooMany;
    if (headers.origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.has(headers.origin)) {
      return new CmError("origin-refused", "This origin is not allowed to connect.");
    }
    if (subprotocol === undefined) {
      return new CmError(
        "version-unsupported",
        `The client must offer one of these subprotocols: ${subprotocols.join(", ")}.`,
      );
    }
    if (this.#isFull()) return new CmError("capacity-reached", "The server is full.");
    if (maxPendingUpgrades > 0 && this.#hasNoPlace(facts.remoteAddress, maxPendingUpgrades)) {
      this.#tooManyPending += 1;
      return TOO_MANY_PENDING;
    }
    return undefined;
  }

  /** Whether an upgrade may not wait, because all places or those of its address are taken. */
  #hasNoPlace(address: string, places: number): boolean {
    if (this.#waiting.size >= places) return true;
    const key = this.#addresses.keyOf(address);
    return key !== undefined && (this.#waitingByKey.get(key) ?? 0) >= Math.ceil(places * ADDRESS_SHARE);
  }

  #countWaiting(address: string, change: 1 | -1): void {
    const key = this.#addresses.keyOf(address);
    if (key === undefined) return;
    const count = (this.#waitingByKey.get(key) ?? 0) + change;
    if (count > 0) this.#waitingByKey.set(key, count);
    else this.#waitingByKey.delete(key);
  }

  #isFull(): boolean {
    return this.#connections.size >= this.#options.maxConnections;
  }

  #authenticate(upgrade: Waiting<U>): void {
    let outcome: Authentication<U> | PromiseLike<Authentication<U>>;
    try {
      outcome = this.#options.authenticate(upgrade.request, upgrade.controller.signal);
    } catch (cause) {
      this.#fail(upgrade, cause);
      return;
    }
    if (!isThenable(outcome)) {
      this.#complete(upgrade, outcome);
      return;
    }
    const deadline = this.#options.authenticationTimeoutMs;
    upgrade.timer = setTimeout(() => this.#expire(upgrade, deadline), deadline);
    Promise.resolve(outcome).then(
      (authentication) => this.#enqueue(upgrade, authentication),
      (cause: unknown) => this.#fail(upgrade, cause),
    );
  }

  #enqueue(upgrade: Waiting<U>, authentication: Authentication<U>): void {
    if (this.#ready.push({ upgrade, authentication }) > 1) return;
    setImmediate(() => {
      const ready = this.#ready;
      this.#ready = [];
      for (const { upgrade, authentication } of ready) this.#complete(upgrade, authentication);
    });
  }

  /**
   * Removes a waiting upgrade. Returns `false` if it has been responded to or abandoned already; its responder
   * must not be used in that case.
   */
  #settle(upgrade: Waiting<U>): boolean {
    clearTimeout(upgrade.timer);
    if (!this.#waiting.delete(upgrade)) return false;
    this.#countWaiting(upgrade.request.remoteAddress, -1);
    this.#addresses.leave(upgrade.request.remoteAddress);
    return true;
  }

  #abandon(upgrade: Waiting<U>): void {
    if (this.#settle(upgrade)) upgrade.controller.abort(new CmError("closed", "The client disconnected."));
  }

  /** Refuses an upgrade whose `authenticate` has missed its deadline, which is a fault of the application. */
  #expire(upgrade: Waiting<U>, deadlineMs: number): void {
    const late = `authenticate did not answer within ${deadlineMs} ms.`;
    this.#options.onError(new CmError("timeout", late, { details: { hook: "authenticate" } }), { stage: "handler" });
    this.#fail(upgrade, new CmError("timeout", "Too slow."));
  }

  #fail(upgrade: Waiting<U>, cause: unknown): void {
    if (!this.#settle(upgrade)) return;
    const error = isCmError(cause)
      ? cause
      : new CmError("internal", "authenticate failed.", { cause, details: { hook: "authenticate" } });
    if (error.code === "internal") this.#options.onError(error, { stage: "handler" });
    this.#refuse(upgrade.responder, error);
    upgrade.controller.abort(error);
  }

  #complete(upgrade: Waiting<U>, authentication: Authentication<U>): void {
    // Take no id for an upgrade that was refused or abandoned while `authenticate` was running.
    if (!this.#waiting.has(upgrade)) return;
    let id: string;
    try {
      // A mistake of the application, such as the number of a row: not an invalid name that the client chose.
      if (typeof authentication.userId !== "string") throw new TypeError("authenticate must return text as userId.");
      const user = parseName(authentication.userId, "user");
      if (!user.ok) throw user.error;
      // Check again: the server may have become full while this upgrade waited.
      if (this.#isFull()) throw new CmError("capacity-reached", "The server is full.");
      id = this.#options.nextConnectionId();
      if (typeof id !== "string" || id === "") throw new TypeError("nextConnectionId must give a string.");
      if (this.#connections.has(id)) throw new TypeError("nextConnectionId returned the same id twice.");
    } catch (cause) {
      this.#fail(upgrade, cause);
      return;
    }
    // `nextConnectionId` is the application's code, and may have closed the server.
    if (this.#settle(upgrade)) upgrade.responder.accept(id, authentication, upgrade.request);
  }

  #refuse(responder: UpgradeResponder<U>, refusal: CmError | HttpReply): void {
    const isError = isCmError(refusal);
    this.#refused.add(isError ? refusal.code : (CODE_BY_STATUS[refusal.status] ?? "internal"));
    responder.refuse(isError ? refusalOf(refusal) : refusal);
  }
}

/** The codes under which refusals are counted that are given as a response with a status, not as an error. */
const CODE_BY_STATUS: { readonly [status in number]?: ErrorCode } = {
  400: "operation-unknown",
  426: "version-unsupported",
  431: "payload-too-large",
};

const NO_UPGRADE = jsonRefusal(400, "operation-unknown", "The Connection header does not ask for an upgrade.");

function asksForUpgrade(headers: RequestFacts["headers"]): boolean {
  return list(headers.connection).some((name) => name.toLowerCase() === "upgrade");
}

/** The items of a comma-separated header. */
function list(header: string | undefined): string[] {
  if (header === undefined) return [];
  // Nearly all headers have one item, which is cheaper to read this way.
  if (!header.includes(",")) return header.trim() === "" ? [] : [header.trim()];
  return header.split(",").flatMap((item) => item.trim() || []);
}
