import { signDevelopmentToken } from "@cm/auth";
import type { ResolvedLoadOptions } from "../load-options.js";
import { Member, type MemberEvents } from "./member.js";

/** Maximum time for a connection to join its room, in milliseconds. */
const JOIN_TIMEOUT_MS = 15_000;

/** Maximum number of connections that are being opened at a time. It keeps a slow server from being flooded. */
const OPENING_MAX = 200;

/** Maximum time to wait for closing handshakes before sockets are cut, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3_000;

/** All connections of a run. */
export interface Fleet {
  /** The members by number; the entry is `undefined` if the connection never joined its room. */
  readonly members: readonly (Member | undefined)[];
  close(): Promise<void>;
}

/**
 * Opens the connections. Resolves once each connection has joined its room or has failed. Connections start
 * at the ramp's pace, with at most {@link OPENING_MAX} of them being opened at a time.
 */
export async function openFleet(
  options: ResolvedLoadOptions,
  roomName: (room: number) => string,
  events: MemberEvents,
): Promise<Fleet> {
  const total = options.rooms * options.members;
  const members: (Member | undefined)[] = new Array(total).fill(undefined);
  const open = new Set<Member>();
  const opening = new Map<Member, NodeJS.Timeout>();
  let wake = () => {};
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const settle = (member: Member) => {
    clearTimeout(opening.get(member));
    if (opening.delete(member)) wake();
  };
  const watched: MemberEvents = {
    onMessage: (member, stamp) => events.onMessage(member, stamp),
    onAccepted: (member, sequence) => events.onAccepted(member, sequence),
    onRefused: (member, sequence, code) => events.onRefused(member, sequence, code),
    onError: (member, code) => events.onError(member, code),
    onGap: (member, missed) => events.onGap(member, missed),
    onJoined(member) {
      members[member.index] = member;
      events.onJoined(member);
      settle(member);
    },
    onClosed(member, code) {
      open.delete(member);
      events.onClosed(member, code);
      settle(member);
    },
  };
  const startedAt = performance.now();
  for (let index = 0; index < total && options.signal?.aborted !== true; index++) {
    // Take the rooms in turn, so that they fill evenly and no server gets all members of a room at once.
    const room = index % options.rooms;
    const indexInRoom = Math.trunc(index / options.rooms);
    const url = options.urls[(indexInRoom + room) % options.urls.length];
    if (url === undefined) break;
    await untilDue(startedAt + (index * 1000) / options.ramp);
    while (opening.size >= OPENING_MAX) await changed();
    const number = room * options.members + indexInRoom;
    const user = `${options.userPrefix}${number.toString(36).padStart(4, "0")}`;
    const headers = await credentials(options.tokenSecret, user);
    const member = new Member({ index: number, room: roomName(room), user, url, headers }, options.dialect, watched);
    open.add(member);
    opening.set(
      member,
      setTimeout(() => member.destroy(), JOIN_TIMEOUT_MS),
    );
  }
  while (opening.size > 0) await changed();
  return { members, close: () => closeAll(open) };
}

/** The headers that authenticate a connection, if there is a token secret. */
async function credentials(secret: string | undefined, userId: string): Promise<Record<string, string> | undefined> {
  if (secret === undefined) return undefined;
  const token = await signDevelopmentToken(secret, { userId, rights: { join: ["*"], publish: ["*"] } });
  return { Authorization: `Bearer ${token}` };
}

async function untilDue(dueAt: number): Promise<void> {
  const waitMs = dueAt - performance.now();
  if (waitMs >= 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
}

async function closeAll(open: ReadonlySet<Member>): Promise<void> {
  for (const member of open) member.close();
  const deadline = performance.now() + CLOSE_TIMEOUT_MS;
  while (open.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  for (const member of open) member.destroy();
}
