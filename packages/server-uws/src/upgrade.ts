import type { HttpRequest, HttpResponse, us_socket_context_t } from "uWebSockets.js";
import { CmError, type ErrorCode, isCmError, parseName } from "@cm/protocol";
import type { Authentication, UpgradeRequest } from "./authentication.js";
import { type HttpReply, jsonRefusal, refusalOf, writeReply } from "./http-reply.js";
import { copyRequest, objectionTo, type RequestFacts } from "./http-request.js";
import { LiveConnection, type NativeSocket, type SocketData, type WaitingLimit } from "./live-connection.js";
import type { ResolvedUwsServerOptions } from "./options.js";
import { Tally } from "./tally.js";

/** What upgrades need of the server. */
export interface UpgradeSurroundings<U> {
  /** Open connections by id. */
  readonly connections: ReadonlyMap<string, unknown>;
  readonly limit: WaitingLimit;
  /** Takes over a WebSocket whose upgrade is through. */
  opened(connection: LiveConnection<U>, socket: NativeSocket<U>): void;
}

/** An upgrade from the native request until it is answered or aborted. */
interface PendingUpgrade {
  readonly res: HttpResponse;
  readonly context: us_socket_context_t;
  readonly request: UpgradeRequest;
  readonly key: string;
  readonly controller: AbortController;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Takes upgrade requests: checks them, has them authenticated, and turns them into WebSockets.
 *
 * An upgrade after a wait meets two faults of the native layer. (1) While it reads a
 * request, it takes any upgrade for that request's; a promise may settle right then. So
 * the upgrade waits for its own turn of the event loop. (2) Its `cork` looks at the HTTP
 * response once more after the upgrade, though the WebSocket lies in that memory by
 * then; where the bytes there were taken for something else in between, it closes the
 * fresh socket (uWebSockets #1928, mended by #1929 in July 2026). So nothing happens in
 * between: the open event only notes the socket, and all else follows after the cork.
 * (Without cork, the answer leaves in some thirty writes instead of one.)
 */
export class Upgrades<U> {
  readonly #options: ResolvedUwsServerOptions<U>;
  readonly #surroundings: UpgradeSurroundings<U>;
  readonly #pending = new Set<PendingUpgrade>();
  readonly #refused = new Tally<string>();
  /** Upgrades that are through with `authenticate` and wait for their turn. */
  #ready: { readonly upgrade: PendingUpgrade; readonly authentication: Authentication<U> }[] = [];
  #arrived: NativeSocket<U> | undefined;
  #lost = 0;
  #accepting = true;

  constructor(options: ResolvedUwsServerOptions<U>, surroundings: UpgradeSurroundings<U>) {
    this.#options = options;
    this.#surroundings = surroundings;
    // Compiled now, not while the first upgrade is in its delicate moment.
    this.arrive(undefined);
  }

  /** Upgrades that wait for `authenticate`. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Refusals so far, by code. */
  refused(): Readonly<Record<string, number>> {
    return this.#refused.counts();
  }

  /** WebSockets that the native layer closed within their upgrade; see the class comment. */
  get lost(): number {
    return this.#lost;
  }

  /** The native open event, which comes within `upgrade`. */
  readonly arrive = (socket: NativeSocket<U> | undefined): void => {
    this.#arrived = socket;
  };

  /** Whether the close event is for a WebSocket that nobody has heard of yet. */
  depart(socket: NativeSocket<U>): boolean {
    if (this.#arrived !== socket) return false;
    this.#arrived = undefined;
    this.#lost += 1;
    return true;
  }

  /** Refuses what comes from now on. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  /** Refuses what still waits for `authenticate`. */
  refusePending(): void {
    for (const upgrade of [...this.#pending]) this.#fail(upgrade, new CmError("closed", "The server is closing."));
  }

  /** The native upgrade event. Answers now, or later unless the client goes away first. */
  handle(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const copy = copyRequest(res, req);
    const fault = objectionTo(copy, this.#options.maxHeadBytes);
    if (fault !== undefined) {
      this.#refuse(res, fault);
      return;
    }
    const { facts } = copy;
    const offered = list(facts.headers["sec-websocket-protocol"]);
    const subprotocol = this.#options.subprotocols.find((name) => offered.includes(name));
    const refusal = this.#objection(facts, subprotocol);
    if (refusal !== undefined || subprotocol === undefined) {
      this.#refuse(res, refusal ?? new CmError("internal", "There is no subprotocol."));
      return;
    }
    const upgrade: PendingUpgrade = {
      res,
      context,
      request: { ...facts, subprotocol, offeredSubprotocols: offered },
      key: facts.headers["sec-websocket-key"] ?? "",
      controller: new AbortController(),
      timer: undefined,
    };
    this.#pending.add(upgrade);
    // Without it, returning unanswered ends the process.
    res.onAborted(() => this.#abandon(upgrade));
    this.#authenticate(upgrade);
  }

  /** Answers a request at the WebSocket path that is no upgrade. */
  refusePlain(res: HttpResponse): void {
    this.#refused.add("operation-unknown");
    const headers = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" };
    writeReply(res, jsonRefusal(426, "operation-unknown", "Only WebSockets are served here.", headers), {
      closeConnection: true,
    });
  }

  #objection(facts: RequestFacts, subprotocol: string | undefined): CmError | HttpReply | undefined {
    const { allowedOrigins, subprotocols, maxPendingUpgrades } = this.#options;
    const { headers } = facts;
    if (!list(headers.upgrade).some((name) => name.toLowerCase() === "websocket")) {
      return jsonRefusal(400, "operation-unknown", "The Upgrade header does not ask for a WebSocket.");
    }
    if (!list(headers.connection).some((name) => name.toLowerCase() === "upgrade")) {
      return jsonRefusal(400, "operation-unknown", "The Connection header does not ask for an upgrade.");
    }
    if (headers["sec-websocket-version"] !== "13") {
      const message = "Only version 13 of the WebSocket protocol is spoken.";
      return jsonRefusal(426, "version-unsupported", message, { "Sec-WebSocket-Version": "13" });
    }
    if (!this.#accepting) return new CmError("unavailable", "The server takes no new connections.");
    if (headers.origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.has(headers.origin)) {
      return new CmError("origin-refused", "Pages of this origin may not connect.");
    }
    if (subprotocol === undefined) {
      return new CmError("version-unsupported", `Offer one of these subprotocols: ${subprotocols.join(", ")}.`);
    }
    if (this.#isFull()) return new CmError("capacity-reached", "The server is full.");
    if (this.#pending.size >= maxPendingUpgrades) {
      return new CmError("unavailable", "Too many upgrades wait for their authentication.");
    }
    return undefined;
  }

  #isFull(): boolean {
    return this.#surroundings.connections.size >= this.#options.maxConnections;
  }

  #authenticate(upgrade: PendingUpgrade): void {
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
    upgrade.timer = setTimeout(() => this.#fail(upgrade, new CmError("timeout", "Too slow.")), deadline);
    Promise.resolve(outcome).then(
      (authentication) => this.#enqueue(upgrade, authentication),
      (cause: unknown) => this.#fail(upgrade, cause),
    );
  }

  #enqueue(upgrade: PendingUpgrade, authentication: Authentication<U>): void {
    if (this.#ready.push({ upgrade, authentication }) > 1) return;
    setImmediate(() => {
      const ready = this.#ready;
      this.#ready = [];
      for (const { upgrade, authentication } of ready) this.#complete(upgrade, authentication);
    });
  }

  /** Takes the upgrade off the list; false where it is answered or aborted, and `res` must not be touched. */
  #settle(upgrade: PendingUpgrade): boolean {
    clearTimeout(upgrade.timer);
    return this.#pending.delete(upgrade);
  }

  #abandon(upgrade: PendingUpgrade): void {
    if (this.#settle(upgrade)) upgrade.controller.abort(new CmError("closed", "The client went away."));
  }

  #fail(upgrade: PendingUpgrade, cause: unknown): void {
    if (!this.#settle(upgrade)) return;
    const error = isCmError(cause) ? cause : new CmError("internal", "authenticate failed.", { cause });
    if (error.code === "internal") this.#options.onError(error, { stage: "handler" });
    this.#refuse(upgrade.res, error);
    upgrade.controller.abort(error);
  }

  #complete(upgrade: PendingUpgrade, authentication: Authentication<U>): void {
    let connection: LiveConnection<U>;
    try {
      const user = parseName(authentication.userId, "user");
      if (!user.ok) throw user.error;
      // Others may have come first while this one waited.
      if (this.#isFull()) throw new CmError("capacity-reached", "The server is full.");
      const id = this.#options.nextConnectionId();
      if (this.#surroundings.connections.has(id)) throw new TypeError("nextConnectionId gave an id a second time.");
      connection = new LiveConnection(id, authentication, upgrade.request.remoteAddress, this.#surroundings.limit);
    } catch (cause) {
      this.#fail(upgrade, cause);
      return;
    }
    if (!this.#settle(upgrade)) return;
    const { res, key, request, context } = upgrade;
    const data: SocketData<U> = { connection };
    // The open event comes within. No extension is spoken, compression least of all.
    res.cork(() => res.upgrade(data, key, request.subprotocol, "", context));
    const socket = this.#arrived;
    this.#arrived = undefined;
    if (socket !== undefined) this.#surroundings.opened(connection, socket);
  }

  #refuse(res: HttpResponse, refusal: CmError | HttpReply): void {
    const isError = isCmError(refusal);
    this.#refused.add(isError ? refusal.code : (CODE_BY_STATUS[refusal.status] ?? "internal"));
    writeReply(res, isError ? refusalOf(refusal) : refusal, { closeConnection: true });
  }
}

/** What the refusals by status that upgrades meet are counted as. */
const CODE_BY_STATUS: { readonly [status in number]?: ErrorCode } = {
  400: "operation-unknown",
  426: "version-unsupported",
  431: "payload-too-large",
};

/** Whether there is something to wait for. Promises of other realms and libraries count. */
function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** The items of a comma-separated header. */
function list(header: string | undefined): string[] {
  if (header === undefined) return [];
  return header.split(",").flatMap((item) => item.trim() || []);
}
