import type { Action, Rights } from "@cm/auth";
import { CmError } from "@cm/protocol";
import type { DirectTarget, GatewayHooks, HookConnection, HookRunner } from "./hooks.js";

/** What decisions about any connection of a gateway need. */
export interface PermissionContext {
  /** What the application decides about requests. Absent hooks allow, and cost nothing. */
  readonly hooks: GatewayHooks;
  readonly hookRunner: HookRunner;
}

/** `undefined`: allowed, at once. Else the promise of the application's word, which rejects where that is no. */
export type Decision = Promise<void> | undefined;

/**
 * The one place that decides what a connection may do: first its rights, then the
 * application's hook. Each call throws `forbidden` where the rights do not allow the request;
 * a connection without rights is judged by the hooks alone.
 */
export class Permissions {
  readonly #context: PermissionContext;
  readonly #connection: HookConnection;
  #rights: Rights | undefined;

  constructor(context: PermissionContext, connection: HookConnection, rights: Rights | undefined) {
    this.#context = context;
    this.#connection = connection;
    this.#rights = rights;
  }

  /** Takes other rights from now on. */
  replace(rights: Rights | undefined): void {
    this.#rights = rights;
  }

  /** Whether the application is asked about each publish. */
  get asksOnPublish(): boolean {
    return this.#context.hooks.onPublish !== undefined;
  }

  /** Whether the application is asked about each direct message. */
  get asksOnSend(): boolean {
    return this.#context.hooks.onSend !== undefined;
  }

  connect(): Decision {
    const { onConnect } = this.#context.hooks;
    return onConnect && this.#ask("onConnect", () => onConnect(this.#connection));
  }

  /** Whether the rights, not the hook, allow to be in a room. */
  mayJoin(room: string): boolean {
    return this.#allows("join", room);
  }

  join(room: string): Decision {
    if (!this.mayJoin(room)) throw forbidden("join this room");
    const { onJoin } = this.#context.hooks;
    return onJoin && this.#ask("onJoin", () => onJoin(this.#connection, { room }));
  }

  /** Whether the rights, not the hook, allow to publish to a room. */
  mayPublish(room: string): boolean {
    return this.#allows("publish", room);
  }

  /** The application's word alone: see {@link mayPublish}, which is worth keeping. */
  publish(room: string, data: unknown): Decision {
    const { onPublish } = this.#context.hooks;
    return onPublish && this.#ask("onPublish", () => onPublish(this.#connection, { room, data }));
  }

  /** A connection's user is not known here, so sending to connections takes the right to send to every user. */
  send(to: DirectTarget, data: unknown): Decision {
    const isAllowed = "user" in to ? this.#allows("send", to.user) : this.#allowsAll("send");
    if (!isAllowed) throw forbidden("user" in to ? "send to this user" : "send to connections");
    const { onSend } = this.#context.hooks;
    return onSend && this.#ask("onSend", () => onSend(this.#connection, { to, data }));
  }

  /** Whether the connection may be told if the target of its message is there. */
  mayKnowOf(to: DirectTarget): boolean {
    return "user" in to ? this.#allows("presence", to.user) : this.#allowsAll("presence");
  }

  members(room: string): Decision {
    if (!this.#allows("members", room)) throw forbidden("read the members of this room");
    const { onMembers } = this.#context.hooks;
    return onMembers && this.#ask("onMembers", () => onMembers(this.#connection, { room }));
  }

  #allows(action: Action, name: string): boolean {
    return this.#rights?.allows(action, name) ?? true;
  }

  #allowsAll(action: Action): boolean {
    return this.#rights?.allowsAll(action) ?? true;
  }

  #ask(...asked: Parameters<HookRunner["ask"]>): Promise<void> {
    return this.#context.hookRunner.ask(...asked);
  }
}

/** The refusal of a request that the rights do not allow. */
export function forbidden(what: string): CmError {
  return new CmError("forbidden", `The rights of this connection do not allow it to ${what}.`);
}
