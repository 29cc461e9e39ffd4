import type { Action, Rights } from "@cm/auth";
import { CmError } from "@cm/protocol";
import type { ApplicationCalls } from "./application-calls.js";
import type { DirectTarget, GatewayHooks, HookConnection } from "./hooks.js";

/** Context of decisions about any connection of a gateway. */
export interface PermissionContext {
  /** The application's hooks. Where a hook is not set, only the rights decide, and no promise is made. */
  readonly hooks: GatewayHooks;
  readonly hookCalls: ApplicationCalls;
}

/**
 * Result of a decision: `undefined` if the request is allowed at once, otherwise a promise of the
 * hook's decision, which rejects if the hook refuses.
 */
export type Decision = Promise<void> | undefined;

/** The connection whose requests {@link Permissions} decides about. */
export interface PermissionClient {
  readonly context: PermissionContext;
  /** The connection that the hooks get. */
  readonly hookConnection: HookConnection;
}

/**
 * Decides about all requests of a connection: checks the connection's `rights` first, then asks the
 * application's hook. `join`, `send` and `members` throw `forbidden` if the rights do not allow the request;
 * for a connection without `rights`, only the hooks decide.
 */
export class Permissions {
  readonly #client: PermissionClient;
  #rights: Rights | undefined;

  constructor(client: PermissionClient, rights: Rights | undefined) {
    this.#client = client;
    this.#rights = rights;
  }

  replace(rights: Rights | undefined): void {
    this.#rights = rights;
  }

  /** Whether the hook is called for each publish. */
  get asksOnPublish(): boolean {
    return this.#client.context.hooks.onPublish !== undefined;
  }

  /** Whether the hook is called for each direct message. */
  get asksOnSend(): boolean {
    return this.#client.context.hooks.onSend !== undefined;
  }

  connect(): Decision {
    const { onConnect } = this.#client.context.hooks;
    return onConnect && this.#ask("onConnect", () => onConnect(this.#client.hookConnection));
  }

  /** Whether the rights allow being in a room; the hook is not asked. */
  mayJoin(room: string): boolean {
    return this.#allows("join", room);
  }

  join(room: string): Decision {
    const { onJoin } = this.#client.context.hooks;
    const check = (): void => {
      if (!this.mayJoin(room)) throw forbidden("join this room");
    };
    return this.#decide(
      check,
      onJoin && (() => this.#ask("onJoin", () => onJoin(this.#client.hookConnection, { room }))),
    );
  }

  /** Whether the rights allow publishing to a room; the hook is not asked. */
  mayPublish(room: string): boolean {
    return this.#allows("publish", room);
  }

  /**
   * Asks the hook without checking the rights: {@link mayPublish} does that separately, so that its result
   * can be cached.
   */
  publish(room: string, data: unknown): Decision {
    const { onPublish } = this.#client.context.hooks;
    return onPublish && this.#ask("onPublish", () => onPublish(this.#client.hookConnection, { room, data }));
  }

  /**
   * Decides about a direct message. The user of a target connection is not known here, so sending to
   * connections requires the right to send to all users.
   */
  send(to: DirectTarget, data: unknown): Decision {
    const { onSend } = this.#client.context.hooks;
    const check = (): void => {
      const isAllowed = "user" in to ? this.#allows("send", to.user) : this.#allowsAll("send");
      if (!isAllowed) throw forbidden("user" in to ? "send to this user" : "send to connections");
    };
    return this.#decide(
      check,
      onSend && (() => this.#ask("onSend", () => onSend(this.#client.hookConnection, { to, data }))),
    );
  }

  /** Whether the sender may learn whether the target of its message is connected. */
  mayKnowOf(to: DirectTarget): boolean {
    return "user" in to ? this.#allows("presence", to.user) : this.#allowsAll("presence");
  }

  members(room: string): Decision {
    const { onMembers } = this.#client.context.hooks;
    const check = (): void => {
      if (!this.#allows("members", room)) throw forbidden("read the members of this room");
    };
    return this.#decide(
      check,
      onMembers && (() => this.#ask("onMembers", () => onMembers(this.#client.hookConnection, { room }))),
    );
  }

  /** Checks the rights, and again after the hook: they may have been replaced while it decided. */
  #decide(check: () => void, ask: (() => Promise<void>) | undefined): Decision {
    check();
    return ask?.().then(check);
  }

  #allows(action: Action, name: string): boolean {
    return this.#rights?.allows(action, name) ?? true;
  }

  #allowsAll(action: Action): boolean {
    return this.#rights?.allowsAll(action) ?? true;
  }

  #ask(...asked: Parameters<ApplicationCalls["ask"]>): Promise<void> {
    return this.#client.context.hookCalls.ask(...asked);
  }
}

/** The error for a request that the rights do not allow. */
export function forbidden(what: string): CmError {
  return new CmError("forbidden", `This connection's rights do not allow it to ${what}.`);
}
