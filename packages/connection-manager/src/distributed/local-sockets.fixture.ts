import type { CloseReason, LocalConnection, LocalConnectionManager } from "@cm/protocol";
import { CmError } from "@cm/protocol";

/**
 * A socket without a network. It records the texts that it was sent and the reason for which it was closed.
 */
export class Socket {
  readonly texts: string[] = [];
  isOpen = true;
  closedFor: CloseReason | undefined;
  /** Called when the socket closes. */
  onClose: () => void = () => undefined;

  get messages(): unknown[] {
    return this.texts.map((text): unknown => JSON.parse(text));
  }

  /** Closes the socket from the client's side. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.onClose();
  }
}

interface Held extends LocalConnection<Socket> {
  readonly rooms: Set<string>;
  lastSeen: number;
}

/** Implements the contract of local sockets with sockets that have no network. */
export class LocalSockets implements LocalConnectionManager<Socket> {
  readonly held = new Map<string, Held>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  get size(): number {
    return this.held.size;
  }

  add(connection: LocalConnection<Socket>): void {
    const { connectionId, socket, onClosed } = connection;
    if (!socket.isOpen) throw new CmError("closed", "The socket is closed.");
    if ([...this.held.values()].some((each) => each.socket === socket)) throw new CmError("id-invalid", "Known.");
    if (this.size >= this.#max) throw new CmError("capacity-reached", "Full.");
    this.held.set(connectionId, { ...connection, rooms: new Set(), lastSeen: Date.now() });
    socket.onClose = () => {
      if (this.held.delete(connectionId)) onClosed();
    };
  }

  remove(connectionId: string, reason?: CloseReason): void {
    const socket = this.held.get(connectionId)?.socket;
    this.held.delete(connectionId);
    if (socket === undefined || reason === undefined) return;
    socket.closedFor = reason;
    socket.close();
  }

  enter(connectionId: string, room: string): void {
    this.held.get(connectionId)?.rooms.add(room);
  }

  exit(connectionId: string, room: string): void {
    this.held.get(connectionId)?.rooms.delete(room);
  }

  lastSeenOf(connectionId: string): number | undefined {
    return this.held.get(connectionId)?.lastSeen;
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    for (const { connectionId, rooms, socket } of this.held.values()) {
      if (rooms.has(room) && !except.includes(connectionId)) socket.texts.push(Buffer.from(frame).toString());
    }
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    const held = this.held.get(connectionId);
    held?.socket.texts.push(Buffer.from(frame).toString());
    return held !== undefined;
  }

  toUser(userId: string, frame: Uint8Array): number {
    const ids = [...this.held.values()].filter((each) => each.userId === userId);
    for (const { connectionId } of ids) this.toConnection(connectionId, frame);
    return ids.length;
  }
}
