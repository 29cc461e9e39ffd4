import { CLIENT_PROTOCOL_VERSION, type Ref, SUBPROTOCOL } from "@cm/protocol";
import type { Dialect, DialectSession, Placement, SessionPort } from "./dialect.js";

/** Options of {@link createCmDialect}. */
export interface CmDialectOptions {
  /** Whether publishers receive their own messages. Default true. */
  readonly echo?: boolean;
  /** Whether publish requests carry a reference and therefore get a response. Default true. */
  readonly acks?: boolean;
}

const HELLO_REF = "hello";
const JOIN_REF = "join";

/** The client protocol of this project's gateway. */
export function createCmDialect(options: CmDialectOptions = {}): Dialect {
  const echo = options.echo ?? true;
  const acks = options.acks ?? true;
  return {
    subprotocol: SUBPROTOCOL,
    path(url, user) {
      const query = new URLSearchParams(url.search);
      query.set("user", user);
      return `${url.pathname}?${query}`;
    },
    createSession: (placement, port) => new CmSession(placement, port, echo, acks),
  };
}

class CmSession implements DialectSession {
  readonly #placement: Placement;
  readonly #port: SessionPort;
  readonly #head: string;
  readonly #acks: boolean;

  constructor(placement: Placement, port: SessionPort, echo: boolean, acks: boolean) {
    this.#placement = placement;
    this.#port = port;
    this.#acks = acks;
    this.#head = `{"type":"publish","room":${JSON.stringify(placement.room)}${echo ? "" : ',"echo":false'},"data":"`;
  }

  opened(): void {
    this.#port.send(JSON.stringify({ type: "hello", version: CLIENT_PROTOCOL_VERSION, ref: HELLO_REF }));
  }

  control(text: string): void {
    // This type lists the fields that server frames may have; each field is checked before it is used.
    const frame = JSON.parse(text) as { type?: unknown; ref?: Ref; code?: unknown; missed?: unknown };
    if (frame.type === "welcome") {
      this.#port.send(JSON.stringify({ type: "join", room: this.#placement.room, ref: JOIN_REF }));
    } else if (frame.type === "ack") {
      if (frame.ref === JOIN_REF) this.#port.joined();
      else if (typeof frame.ref === "number") this.#port.accepted(frame.ref);
    } else if (frame.type === "error") {
      const code = String(frame.code);
      if (typeof frame.ref === "number") this.#port.refused(frame.ref, code);
      else this.#port.failed(code);
    } else if (frame.type === "gap") {
      this.#port.gapReported(typeof frame.missed === "number" ? frame.missed : 1);
    }
  }

  publish(payload: string, sequence: number): string {
    return this.#acks ? `${this.#head}${payload}","ref":${sequence}}` : `${this.#head}${payload}"}`;
  }
}
