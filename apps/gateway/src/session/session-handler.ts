import { CmError } from "@cm/protocol";
import type { ConnectionHandler, TransportConnection } from "@cm/transport";
import type { Revocations } from "../auth/revocations.js";
import type { GatewayUser } from "../gateway-options.js";
import { ClientSession } from "./client-session.js";
import type { SessionContext } from "./session-context.js";

/** The `data` of a transport connection. */
export interface SessionHolder {
  /** Set after the upgrade. */
  session: ClientSession | undefined;
  /** The result of `authenticate`. */
  readonly user: GatewayUser;
}

type Connection = TransportConnection<SessionHolder>;

/** Gives each connection its session, and passes on the connection's frames and its close. */
export class SessionHandler implements ConnectionHandler<SessionHolder> {
  readonly #context: SessionContext;
  readonly #revocations: Revocations;

  constructor(context: SessionContext, revocations: Revocations) {
    this.#context = context;
    this.#revocations = revocations;
  }

  open(connection: Connection): void {
    const session = new ClientSession(this.#context, connection, connection.data.user);
    connection.data.session = session;
    this.#revocations.watch(session);
  }

  frame(connection: Connection, text: string): void {
    connection.data.session?.onText(text);
  }

  binary(connection: Connection): void {
    connection.data.session?.onUnreadable(new CmError("frame-not-text", "A frame must be JSON text."));
  }

  closed({ data: { session } }: Connection, code: number, reason: string): void {
    if (session === undefined) return;
    this.#revocations.unwatch(session);
    session.onClosed(code, reason);
  }
}
