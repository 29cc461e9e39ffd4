import type { CmSocket } from "./cm-socket.js";

/** One client of a crowd. */
export interface CrowdMember {
  readonly socket: CmSocket;
  readonly user: string;
  /** Index of the gateway that the member is connected to. */
  readonly gateway: number;
  readonly room: string;
}
